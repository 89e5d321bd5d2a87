"""Whether single images are of none of a network's classes, by the rule that its run's figures are of."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.evaluation.open_set import decisions
from usb_negsamp.host.evaluation.predictions import OWN_JUDGMENTS, Predictions
from usb_negsamp.host.evaluation.use import Rejection


class Judge:
    """Whether images are of none of the classes.

    Args:
        algorithm: that may have a rule of its own.
        rejection: what the run's checkpoint says; None for a run without unseen classes.
    """

    def __init__(self, algorithm: HostAlgorithm, rejection: Rejection | None) -> None:
        own = rejection is not None and rejection.score == "own"
        self._own = {name: getattr(algorithm, name) for name in OWN_JUDGMENTS if own and hasattr(algorithm, name)}
        self.threshold = None if rejection is None else rejection.threshold
        self.rejects = bool(self._own) or self.threshold is not None

    def described(self) -> dict[str, float | str | None]:
        """The rule in words and numbers."""
        return {"score": "own"} if self._own else {"score": "max_softmax", "threshold": self.threshold}

    def judged(self, output: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
        """Outlier scores (N,), high for images of no class, and which are rejected; None where nothing rejects.

        The score is the algorithm's own, or one less the largest probability.
        """
        logits = output["logits"].float()
        own = {name: judge(output) for name, judge in self._own.items()}
        reject = own.get("reject_scores")
        scores = 1 - logits.double().softmax(1).amax(1) if reject is None else reject.double()
        nobody = torch.zeros(len(logits), dtype=torch.long)
        found = Predictions(logits, nobody, reject, own.get("open_predictions"))
        num_classes = logits.shape[1]
        decided = decisions(found, num_classes, self.threshold) if self.rejects else None
        return scores, None if decided is None else decided == num_classes
