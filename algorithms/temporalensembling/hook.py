"""What Temporal Ensembling remembers of every unlabeled image (Laine, Aila, ICLR 2017, algorithm 2)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from usb_negsamp.algorithms.temporalensembling.settings import TemporalEnsemblingSettings
from usb_negsamp.functional import ensemble_targets, ensembled
from usb_negsamp.host import Hook
from usb_negsamp.host.wrapping.among_processes import gathered

if TYPE_CHECKING:
    from usb_negsamp.algorithms.temporalensembling.temporalensembling import TemporalEnsembling

LONGEST = 0.25
"""Share of the training that an epoch has at most: a short run has some epochs, too."""


class TemporalEnsemblingHook(Hook):
    """Keeps the memory, which is the same on all processes. A checkpoint has it as the hook's tensors.

    An epoch is as many steps as one pass over the unlabeled images takes, wherever the host's own epochs end. Within
    one the targets stay as they are. At its end the last predictions of the images that it visited go into the
    memory; those that it did not visit keep theirs, and the number of epochs that it is of.

    Attributes:
        memory: (N, K), Z.
        latest: (N, K), last predictions of the present epoch; zeros for an image that it has not visited.
        epochs: (N,), how many epochs are in the memory of each image.
        step: how many steps of the present epoch were taken.
    """

    def __init__(self, settings: TemporalEnsemblingSettings, num_unlabeled: int, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        self.memory = torch.zeros(num_unlabeled, num_classes)
        self.latest = torch.zeros(num_unlabeled, num_classes)
        self.epochs = torch.zeros(num_unlabeled, dtype=torch.int64)
        self.step = 0

    def place(self, device: torch.device) -> None:
        """Move all to where the network is."""
        for name in ("memory", "latest", "epochs"):
            setattr(self, name, getattr(self, name).to(device))

    def steps_of_an_epoch(self, num_train_iter: int, batch_size: int) -> int:
        """How many steps an epoch has.

        Args:
            num_train_iter: of the training.
            batch_size: unlabeled images of a step over all processes.
        """
        if self.settings.epoch is not None:
            return max(1, round(self.settings.epoch * num_train_iter))
        return min(math.ceil(len(self.memory) / batch_size), max(1, round(LONGEST * num_train_iter)))

    def targets(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Targets (N, K) of the images ``indices`` (N,), and whether they have one (N,), as 0 or 1."""
        epochs = self.epochs[indices]
        return ensemble_targets(self.memory[indices], self.settings.decay, epochs - 1), (epochs > 0).float()

    @torch.no_grad()
    def remember(self, algorithm: TemporalEnsembling, indices: Tensor, logits: Tensor) -> None:
        """Keep the step's predictions, those of all processes; at the end of an epoch put its own into the memory."""
        indices, probs = gathered(indices, algorithm), gathered(logits.detach().float().softmax(dim=1), algorithm)
        self.latest[indices] = probs
        self.step += 1
        if self.step >= self.steps_of_an_epoch(algorithm.num_train_iter, len(indices)):
            visited = self.latest.sum(dim=1) > 0
            after = ensembled(self.memory, self.latest, self.settings.decay)
            self.memory = torch.where(visited.unsqueeze(1), after, self.memory)
            self.epochs = self.epochs + visited
            self.latest = torch.zeros_like(self.latest)
            self.step = 0
