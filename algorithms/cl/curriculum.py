"""The state of a curriculum: which round it is, which unlabeled images count as labeled, and the round's best model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from usb_negsamp.algorithms.cl.rounds import round_at, round_ends
from usb_negsamp.algorithms.cl.settings import CLSettings
from usb_negsamp.errors import expected
from usb_negsamp.functional import percentile_threshold, rarity_weights
from usb_negsamp.host.checkpoints.fit import other_tensors

NOT_SELECTED = -1


class Curriculum:
    """Rounds of a training, each of which takes more unlabeled images as labeled than the one before.

    Args:
        settings: number and lengths of the rounds, and whether classes are weighed.
        labels: (M,) the classes of the labeled images.
        num_unlabeled: N.
        num_classes: K.
        num_iterations: of all rounds together.

    Attributes:
        ends: the iteration before which each round ends.
        round: the present one, from 0.
        pseudo_labels: (N,) int64, the class that each unlabeled image counts as in this round, or -1.
        selected_share: of all unlabeled images.
        threshold: the least confidence of those.
        best: averaged weights of the round's best model so far, on the CPU; empty before its first evaluation.
        best_accuracy: of that model on the validation images.
    """

    def __init__(
        self, settings: CLSettings, labels: Tensor, num_unlabeled: int, num_classes: int, num_iterations: int
    ) -> None:
        self.settings = settings
        self.labels, self.num_classes = labels, num_classes
        rounds = range(settings.rounds + 1)
        of_each = [len(labels) + number / settings.rounds * num_unlabeled for number in rounds]
        self.ends = round_ends(num_iterations, of_each if settings.lengths == "passes" else [1] * len(rounds))
        self.round = 0
        self.pseudo_labels = torch.full((num_unlabeled,), NOT_SELECTED)
        self.selected_share = 0.0
        self.threshold = 1.0
        self.best: dict[str, Tensor] = {}
        self.best_accuracy = -1.0

    @property
    def start(self) -> int:
        """The first iteration of the present round."""
        return self.ends[self.round - 1] if self.round else 0

    @property
    def length(self) -> int:
        """Iterations of the present round."""
        return self.ends[self.round] - self.start

    @property
    def selected(self) -> Tensor:
        """Indices (M,) of the unlabeled images that count as labeled."""
        return (self.pseudo_labels != NOT_SELECTED).nonzero().squeeze(1)

    def is_over(self, iteration: int) -> bool:
        """Whether the next round is to begin at ``iteration``."""
        return round_at(iteration, self.ends) > self.round

    def keep_if_best(self, accuracy: float, state: Mapping[str, Tensor]) -> None:
        """Let ``state`` be the round's model if none before was better; of equals the later one is."""
        if accuracy >= self.best_accuracy:
            self.best_accuracy = accuracy
            self.best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}

    def begin(self, number: int, probs: Tensor) -> None:
        """Begin round ``number``: count those as labeled that its share of the pool is surest of.

        Args:
            number: at least 1.
            probs: (N, K) of the unlabeled images, by the best model of the round before.
        """
        confidence, classes = probs.max(dim=1)
        threshold = percentile_threshold(confidence, 100.0 * (1.0 - number / self.settings.rounds))
        chosen = confidence.double() >= threshold
        self._select(torch.where(chosen, classes, torch.full_like(classes, NOT_SELECTED)))
        self.round, self.threshold = number, float(threshold)
        self.best, self.best_accuracy = {}, -1.0

    def _select(self, pseudo_labels: Tensor) -> None:
        self.pseudo_labels = pseudo_labels
        self.selected_share = float((pseudo_labels != NOT_SELECTED).double().mean())

    def class_weights(self) -> Tensor:
        """What each class (K,) weighs in the loss of the present round."""
        if self.round == 0 or not self.settings.class_weights:
            return torch.ones(self.num_classes)
        together = torch.cat([self.labels, self.pseudo_labels[self.selected]])
        return rarity_weights(together.bincount(minlength=self.num_classes))

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on."""
        return {
            "round": self.round,
            "threshold": self.threshold,
            "pseudo_labels": self.pseudo_labels,
            "best_accuracy": self.best_accuracy,
            "best_model": self.best,
        }

    def load(self, state: Any, network: nn.Module, path: str) -> None:
        """Go back to what :meth:`state` gave.

        Args:
            state: of a checkpoint.
            network: what its best model must fit.
            path: of the checkpoint, for the message.

        Raises:
            ConfigError: it is the state of other images, other rounds or another network.
        """
        labels, best = (
            state.get(name) if isinstance(state, Mapping) else None for name in ("pseudo_labels", "best_model")
        )
        size = len(self.pseudo_labels)
        if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != (size,):
            came = f"{type(labels).__name__} {tuple(getattr(labels, 'shape', ()))}"
            raise expected(f"{path}: cl", f"pseudo_labels of {size} images", came)
        if not bool(((labels >= NOT_SELECTED) & (labels < self.num_classes)).all()):
            raise expected(f"{path}: cl", f"pseudo_labels from -1 to {self.num_classes - 1}", "others")
        number, numbers = state.get("round"), [state.get(name) for name in ("threshold", "best_accuracy")]
        if type(number) is not int or not 0 <= number < len(self.ends):
            raise expected(f"{path}: cl", f"a round from 0 to {len(self.ends) - 1}", repr(number))
        if any(type(value) is not float for value in numbers):
            raise expected(f"{path}: cl", "threshold and best_accuracy, two numbers", repr(numbers))
        wrong = other_tensors(best, network) if isinstance(best, Mapping) else ["it is not there"]
        if wrong and best != {}:
            raise expected(f"{path}: cl", "best_model, weights of the run's own network", wrong[0])
        assert isinstance(best, Mapping)
        self._select(labels)
        self.round, self.best = number, dict(best)
        self.threshold, self.best_accuracy = numbers
