"""Evaluation of two networks: each, and the average of their probabilities; one of them is the run's figure."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.fit import averaged_state
from usb_negsamp.host.evaluation.hook import EvaluationHook
from usb_negsamp.host.evaluation.networks import (
    averaged_weights,
    classification_metrics,
    predict,
    weights_of_checkpoint,
)
from usb_negsamp.host.wrapping.peer import PairWrapper, Peer
from usb_negsamp.settings import setting

RULES = ("first", "average")
"""What the run's figure, by which the best model is chosen, may be of."""


def log_average_probs(first: Tensor, second: Tensor) -> Tensor:
    """Logarithm (N, K) of the mean of the probabilities of two sets of logits (N, K).

    >>> log_average_probs(torch.tensor([[0.0, 0.0]]), torch.tensor([[100.0, 0.0]])).exp()
    tensor([[0.7500, 0.2500]])
    """
    return torch.logaddexp(first.log_softmax(1), second.log_softmax(1)) - math.log(2)


def evaluate_setting() -> Any:
    """The field of a pair's settings that holds its rule."""
    return setting(
        str,
        "first",
        "whose accuracy is the run's, of the first network, or of the average of both networks' probabilities",
        choices=RULES,
    )


class EvaluatedPair(PairWrapper):
    """Two networks that are evaluated together, at each evaluation:

    ``DEST/top-1-acc`` and the host's other figures are of the first network, or of the averaged probabilities;
    ``DEST/first_acc``, ``DEST/peer_acc`` and ``DEST/average_acc`` are always there. At the end ``results_dict`` has
    them of the model that was best on ``eval`` (``test/first_acc`` ...) and of the last one (``test/last_first_acc``
    ...). Test images choose nothing.
    """

    rule_key: ClassVar[str]
    """Key of the rule, one of :data:`RULES`."""
    _alone = False

    @property
    def evaluation_rule(self) -> str:
        """The run's rule, one of :data:`RULES`."""
        return str(getattr(self.args, self.rule_key))

    def set_hooks(self) -> None:
        """Register the base's hooks; the end of the run reports both networks."""
        super().set_hooks()
        self.register_hook(PairEvaluationHook(), "EvaluationHook", "HIGH")

    @contextmanager
    def first_alone(self) -> Iterator[None]:
        """Inside the block an evaluation is that of the first network, as in the base algorithm."""
        before, self._alone = self._alone, True
        try:
            yield
        finally:
            self._alone = before

    @property
    def warmup(self) -> Any:
        """The base's warm-up stage, for both networks, each evaluated by itself."""
        warm_up = super().warmup

        def both() -> None:
            with self.first_alone():
                warm_up()

        return both

    def evaluate(self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False) -> dict[str, Any]:
        """Evaluate the averaged weights of both networks on the loader ``eval_dest``."""
        if self._alone:
            return super().evaluate(eval_dest, out_key, return_logits)
        figures = super().evaluate(eval_dest, out_key, return_logits=True)
        first = torch.from_numpy(figures.pop(f"{eval_dest}/logits"))
        self.place_peer()
        with self.turn_of_peer() as peer, averaged_weights(peer):
            second, labels = predict(peer, eval_dest, out_key)
        average = log_average_probs(first, second)
        for name, logits in (("first", first), ("peer", second), ("average", average)):
            metrics = classification_metrics(logits, labels, eval_dest)
            figures[f"{eval_dest}/{name}_acc"] = metrics[f"{eval_dest}/top-1-acc"]
            if name == "average" and self.evaluation_rule == "average":
                figures.update(metrics)
        if return_logits:
            figures[f"{eval_dest}/logits"] = (first if self.evaluation_rule == "first" else average).numpy()
        return figures


class PairEvaluationHook(EvaluationHook):
    """Evaluates, keeps the best, and reports both networks of the best and the last model at the end."""

    def after_run(self, algorithm: Any) -> None:
        """Add the figures of both networks to those of the base."""
        with algorithm.first_alone():
            super().after_run(algorithm)
        if "test" not in algorithm.loader_dict:
            return
        path = os.path.join(algorithm.save_dir, algorithm.save_name, "model_best.pth")
        # A loader's iterator draws a seed: what comes after the run must not depend on these evaluations.
        with algorithm.turn_of_peer():
            with weights_of_checkpoint(algorithm, path), weights_of_peer(algorithm.peer, path):
                best = algorithm.evaluate("test")
            last = algorithm.evaluate("test")
        for when, prefix, figures in (("best", "", best), ("last", "last_", last)):
            algorithm.results_dict[f"test/{when}_acc"] = figures["test/top-1-acc"]
            for name in ("first", "peer", "average"):
                algorithm.results_dict[f"test/{prefix}{name}_acc"] = figures[f"test/{name}_acc"]


@contextmanager
def weights_of_peer(peer: Peer, path: str | os.PathLike[str]) -> Iterator[None]:
    """Inside the block the peer's model has the peer's averaged weights saved at ``path``, and no further average."""
    live = {name: tensor.detach().clone() for name, tensor in peer.model.state_dict().items()}
    ema, peer.ema = peer.ema, None
    try:
        saved = read_checkpoint(path).get("peer")
        peer.model.load_state_dict(averaged_state(saved, peer.model, f"{os.fspath(path)}: peer"))
        yield
    finally:
        peer.model.load_state_dict(live)
        peer.ema = ema
