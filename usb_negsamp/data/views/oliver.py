"""Views of images that are tensors already (whitened ones have no PIL form): mirror, shift, noise.

All draw from torch's default generator, always the same number of values, so one seed per sample gives one view.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from usb_negsamp.errors import ConfigError


@dataclass(frozen=True)
class TensorAugmentation:
    """Mirror half of the images, shift each by whole pixels, add Gaussian noise; takes and gives (3, H, W) floats.

    Attributes:
        horizontal_flip: whether half of the views are mirrored.
        max_shift: largest shift, in pixels, along each axis; every whole shift from minus to plus is equally likely,
            and what comes in from outside is reflected, without repeating the edge.
        noise_std: standard deviation of the noise, in units of the preprocessed image; 0 for none.

    Raises:
        ConfigError: a negative shift or standard deviation.
    """

    horizontal_flip: bool
    max_shift: int
    noise_std: float

    def __post_init__(self) -> None:
        if self.max_shift < 0 or not 0.0 <= self.noise_std < float("inf"):
            raise ConfigError(
                f"max_shift and noise_std: expected at least 0, but got {self.max_shift} and {self.noise_std}"
            )

    def __call__(self, image: Tensor) -> Tensor:
        """Return a new view of ``image``, which is left as it is.

        Raises:
            ConfigError: the image has no ``max_shift`` pixels to reflect.
        """
        if self.horizontal_flip and torch.rand(()) < 0.5:
            image = image.flip(-1)
        if self.max_shift:
            image = self._shifted(image)
        if self.noise_std:
            image = image + self.noise_std * torch.randn(image.shape, dtype=image.dtype)
        return image

    def _shifted(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if min(height, width) <= self.max_shift:
            raise ConfigError(f"max_shift={self.max_shift} is too large for an image of {height}x{width} pixels")
        padded = functional.pad(image, (self.max_shift,) * 4, mode="reflect")
        top, left = torch.randint(2 * self.max_shift + 1, (2,)).tolist()
        return padded[:, top : top + height, left : left + width]


def oliver_augmentation(*, horizontal_flip: bool, noise: bool) -> TensorAugmentation:
    """Return the augmentation of Oliver et al. 2018, which NS3L follows: shifts of up to 2 pixels, noise of 0.15.

    Args:
        horizontal_flip: CIFAR yes, SVHN no.
        noise: CIFAR-10 yes; SVHN no.
    """
    return TensorAugmentation(horizontal_flip, max_shift=2, noise_std=0.15 if noise else 0.0)


def mixmatch_augmentation(*, horizontal_flip: bool, max_shift: int = 4) -> TensorAugmentation:
    """Return the augmentation of MixMatch: shifts, no noise.

    Args:
        horizontal_flip: CIFAR and STL-10 yes, SVHN no.
        max_shift: 4 pixels for images of 32x32, 12 for STL-10.
    """
    return TensorAugmentation(horizontal_flip, max_shift, noise_std=0.0)
