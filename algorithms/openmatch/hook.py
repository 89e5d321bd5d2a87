"""The hook that chooses, now and then, the unlabeled images that FixMatch learns from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from usb_negsamp.algorithms.openmatch.heads import unknown_probs_of_predictions
from usb_negsamp.algorithms.openmatch.settings import OpenMatchSettings
from usb_negsamp.data.announcing import announced
from usb_negsamp.host import Hook
from usb_negsamp.host.datasets.kept_images import KeptImages
from usb_negsamp.host.evaluation.pool import values_of_pool
from usb_negsamp.host.wrapping.iteration import iterations_of

if TYPE_CHECKING:
    from usb_negsamp.algorithms.openmatch.openmatch import OpenMatchStep

REJECTED_FROM = 0.5
"""Probability of *unknown* from which an image is not kept."""


class SelectionHook(Hook):
    """Before the steps at which a choice is due, scores all unlabeled images and keeps the likely seen ones.

    Kept are those that the averaged network takes for a class of which they are, by its classifier of that class, more
    likely than not. Each of two networks chooses for itself.

    Args:
        settings: when a choice is due.
        images: hands out the kept ones.
        size: number of unlabeled images.

    Attributes:
        kept: (size,) bool, the latest choice.
        selected_at: the iteration of the latest choice; -1 before the first.
    """

    _handed_on: Tensor | None = None

    def __init__(self, settings: OpenMatchSettings, images: KeptImages, size: int) -> None:
        super().__init__()
        self.settings = settings
        self.images = images
        self.kept: Tensor = torch.zeros(size, dtype=torch.bool)
        self.selected_at = -1

    def has_begun(self, algorithm: OpenMatchStep) -> bool:
        """Whether FixMatch's part has begun."""
        return algorithm.it >= iterations_of(self.settings.start, algorithm.num_train_iter)

    def is_due(self, algorithm: OpenMatchStep) -> bool:
        """Whether a choice is made before the present step: in steps after the training, only if there is none yet."""
        if not self.has_begun(algorithm):
            return False
        if self.selected_at < 0:
            return True
        since = algorithm.it - iterations_of(self.settings.start, algorithm.num_train_iter)
        interval = iterations_of(self.settings.interval, algorithm.num_train_iter)
        return algorithm.it < algorithm.num_train_iter and since % interval == 0

    def before_train_step(self, algorithm: OpenMatchStep) -> None:
        """Choose where that is due, and let the kept images be handed out, also after a resume."""
        if self.is_due(algorithm):
            with announced("scores of the unlabeled images (openmatch)"):
                self.kept = values_of_pool(algorithm, unknown_probs_of_predictions) < REJECTED_FROM
            self.selected_at = algorithm.it
        if self._handed_on is not self.kept:
            self.images.choose(self.kept.nonzero().squeeze(1).cpu().numpy())
            self._handed_on = self.kept
