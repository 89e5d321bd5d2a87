"""The hook that keeps how likely each unlabeled image is of a seen class, and chooses those that MixMatch takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from usb_negsamp.algorithms.mtc.settings import MTCSettings
from usb_negsamp.functional import otsu_threshold
from usb_negsamp.host import Hook
from usb_negsamp.host.datasets.kept_images import KeptImages

if TYPE_CHECKING:
    from usb_negsamp.algorithms.mtc.mtc import MultiTaskCurriculumStep


class SoftLabelHook(Hook):
    """Remembers the last prediction for each unlabeled image, and at the end of an epoch sets labels and choice anew.

    An image that an epoch did not visit keeps the prediction of its last visit. Soft labels are the mean of the
    predictions at the ends of the last epochs, once there are ``memory`` of them, and 0 until then. From the end of the
    warm-up on, Otsu's threshold divides the soft labels of the images that were visited; those above are kept. All that
    it holds goes into the checkpoint. Each of two networks has its own.

    Args:
        settings: lengths of warm-up, epochs and memory.
        images: hands out the kept images.
        size: number of unlabeled images N.
        num_train_iter: of the training.

    Attributes:
        latest: (N,) the prediction at the last visit; 0 before the first.
        visited: (N,) bool.
        memory: (R, N) the predictions at the ends of the last R epochs, the next one in the place of the oldest.
        soft_labels: (N,).
        kept: (N,) bool, the latest choice; all of them before the first.
        threshold: () the latest one.
        epochs: how many epochs are over and taken in.
    """

    def __init__(self, settings: MTCSettings, images: KeptImages, size: int, num_train_iter: int) -> None:
        super().__init__()
        self.settings, self.images = settings, images
        rows = min(settings.memory, settings.warm_up_epochs(num_train_iter))
        self.latest = torch.zeros(size)
        self.visited = torch.zeros(size, dtype=torch.bool)
        self.memory = torch.zeros(rows, size)
        self.soft_labels = torch.zeros(size)
        self.kept = torch.ones(size, dtype=torch.bool)
        self.threshold = torch.tensor(0.5)
        self.epochs = 0
        self._handed_on: Tensor | None = None

    def is_warming_up(self, algorithm: MultiTaskCurriculumStep) -> bool:
        """Whether the present step is one of the warm-up."""
        return algorithm.it < self.settings.warm_up_iterations(algorithm.num_train_iter)

    def before_train_step(self, algorithm: MultiTaskCurriculumStep) -> None:
        """End the epoch that is over, and let the kept images be handed out, also after a resume."""
        self._follow(next(algorithm.model.parameters()).device)
        # Steps after the training do not go on with the epochs.
        iteration = min(algorithm.it, algorithm.num_train_iter - 1)
        if self.settings.epochs_before(iteration, algorithm.num_train_iter) > self.epochs:
            self.end_epoch(choose=not self.is_warming_up(algorithm))
            algorithm.set_threshold(self.threshold)
        if self._handed_on is not self.kept:
            self.images.choose(self.kept.nonzero().squeeze(1).cpu().numpy())
            self._handed_on = self.kept

    def record(self, rows: Tensor, probs: Tensor) -> None:
        """Keep the predictions ``probs`` (M,) for the images of the indices ``rows`` (M,)."""
        self.latest[rows] = probs.float()
        self.visited[rows] = True

    def end_epoch(self, *, choose: bool) -> None:
        """Take the predictions in; ``choose`` says whether images are to be kept by them from now on."""
        self.memory[self.epochs % len(self.memory)] = self.latest
        self.epochs += 1
        if self.epochs < len(self.memory):
            return
        self.soft_labels = self.memory.mean(dim=0)
        if choose and bool(self.visited.any()):
            # On the host: sums of a histogram on a GPU are not the same bits each time.
            threshold = otsu_threshold(self.soft_labels[self.visited].cpu()).to(self.soft_labels.device)
            self.kept = self.visited & (self.soft_labels.double() >= threshold)
            self.threshold = threshold.float()

    def _follow(self, device: torch.device) -> None:
        """Hold everything where the model is."""
        if self.latest.device != device:
            for name, value in vars(self).items():
                if isinstance(value, Tensor):
                    setattr(self, name, value.to(device))
