"""What UASD remembers: the sums of all predictions of training and of validation images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from usb_negsamp.functional import confidence_threshold, mean_predictions
from usb_negsamp.host import Hook
from usb_negsamp.host.datasets.drawn_views import drawn_views
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import gathered, share_of

if TYPE_CHECKING:
    from usb_negsamp.algorithms.uasd.uasd import UASD

START_THRESHOLD = 0.9
"""Before any validation image was seen; the released code's."""
VALIDATION_SHARE = 10
"""One validation image for so many training images of a step."""
_STREAM = 0x0A5D


class UASDHook(Hook):
    """Keeps the sums, which are the same on all processes. A checkpoint has them as the hook's tensors.

    Attributes:
        sums: (N_l + N_u, K), of the labeled and then of the unlabeled images.
        validation_sums: (M, K), of the validation images.
        confidences: (M,), of their mean predictions; 0 where there is none yet.
        step: how many steps were taken.
    """

    def __init__(self, num_labeled: int, num_unlabeled: int, num_validation: int, num_classes: int) -> None:
        super().__init__()
        self.num_labeled = num_labeled
        self.sums = torch.zeros(num_labeled + num_unlabeled, num_classes)
        self.validation_sums = torch.zeros(num_validation, num_classes)
        self.confidences = torch.zeros(num_validation)
        self.step = 0

    def place(self, device: torch.device) -> None:
        """Move all to where the network is."""
        for name in ("sums", "validation_sums", "confidences"):
            setattr(self, name, getattr(self, name).to(device))

    def validation_batch(self, algorithm: UASD, num_training: int) -> tuple[list[int], Tensor]:
        """The next validation images, in order and again from the first: all their indices, and this process's views.

        They are weak views, as the training images' are, drawn by the step and the place in it.

        Args:
            algorithm: with validation images.
            num_training: images of the step over all processes.
        """
        rank, count = share_of(algorithm)
        size = max(count, num_training // VALIDATION_SHARE)
        indices = [(self.step * size + place) % len(self.confidences) for place in range(size)]
        keys = [mix(algorithm.args.seed, _STREAM, self.step, place) for place in range(size)]
        dataset, transform = algorithm.dataset_dict["eval"], algorithm.dataset_dict["train_lb"].transform
        views = drawn_views(dataset, transform, indices[rank::count], keys[rank::count])
        return indices, on_device(views, self.sums.device)

    def targets(self, idx_lb: Tensor, idx_ulb: Tensor) -> Tensor:
        """Mean predictions (B_l + B_u, K) of the step's labeled and unlabeled images, by all steps before it."""
        return mean_predictions(self.sums[torch.cat((idx_lb, idx_ulb + self.num_labeled))])

    def threshold(self) -> Tensor:
        """The confidence from which on an image is learned from, a scalar."""
        return confidence_threshold(self.confidences, START_THRESHOLD)

    @torch.no_grad()
    def remember(self, algorithm: UASD, indices: tuple[Tensor, Tensor], logits: list[Tensor], seen: list[int]) -> None:
        """Add the step's predictions, those of all processes.

        Args:
            algorithm: for its place among the processes.
            indices: of its labeled and of its unlabeled images.
            logits: of its labeled, unlabeled and validation images.
            seen: indices of the validation images of all processes.
        """
        probs = [part.detach().float().softmax(dim=1) for part in logits]
        for offset, rows, part in zip((0, self.num_labeled), indices, probs, strict=False):
            self.sums.index_add_(0, gathered(rows, algorithm) + offset, gathered(part, algorithm))
        places = on_device(torch.tensor(seen), self.sums.device)
        self.validation_sums.index_add_(0, places, gathered(probs[2], algorithm, len(seen)))
        self.confidences[places] = mean_predictions(self.validation_sums[places]).amax(dim=1)
        self.step += 1
