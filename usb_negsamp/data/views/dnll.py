"""The views of DNLL's experiments, in which the weak view is the image itself, or the strong one its colors changed.

Xu et al., "Semi-Supervised Learning with Pseudo-Negative Labels for Image Classification", section 4.2, which names
the operations and not their strengths. Those here are ours: the noise of Dual Student's networks, the shift of
Temporal Ensembling (which the paper cites for SVHN), and a common strength of color jitter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision import transforms

from usb_negsamp.data.views.oliver import TensorAugmentation
from usb_negsamp.errors import ConfigError

NOISE_STD = 0.15
MAX_SHIFT = 2
BRIGHTNESS = CONTRAST = SATURATION = 0.4
HUE = 0.1


@dataclass(frozen=True)
class HorizontalShift:
    """Shift images (3, H, W) sideways by whole pixels; what comes in from outside is reflected.

    Attributes:
        max_shift: largest shift, in pixels; every whole shift from minus to plus is equally likely.

    Raises:
        ConfigError: a negative shift.
    """

    max_shift: int

    def __post_init__(self) -> None:
        if self.max_shift < 0:
            raise ConfigError(f"max_shift: expected at least 0, but got {self.max_shift}")

    def __call__(self, image: Tensor) -> Tensor:
        """Return a new view of ``image``, which is left as it is.

        Raises:
            ConfigError: the image has no ``max_shift`` columns to reflect.
        """
        width = image.shape[-1]
        if width <= self.max_shift:
            raise ConfigError(f"max_shift={self.max_shift} is too large for an image {width} pixels wide")
        left = int(torch.randint(2 * self.max_shift + 1, ()))
        padded = functional.pad(image, (self.max_shift, self.max_shift, 0, 0), mode="reflect")
        return padded[..., left : left + width]


def noise() -> TensorAugmentation:
    """Return Gaussian noise of 0.15, in units of the normalized image: the strong view of CIFAR-10 with CNN13."""
    return TensorAugmentation(horizontal_flip=False, max_shift=0, noise_std=NOISE_STD)


def horizontal_shift() -> HorizontalShift:
    """Return shifts of up to 2 pixels sideways: the strong view of SVHN."""
    return HorizontalShift(MAX_SHIFT)


def color_jitter() -> transforms.ColorJitter:
    """Return changes of brightness, contrast, saturation (0.4) and hue (0.1): of CIFAR-10 with Wide ResNet 28-2."""
    return transforms.ColorJitter(BRIGHTNESS, CONTRAST, SATURATION, HUE)
