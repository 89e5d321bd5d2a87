"""The views of an image: weak, strong, and as it is for evaluation. All take a PIL image and give a (3, H, W) tensor.

The weak view is a random crop after reflect padding and, where a mirrored image keeps its class, a random flip; the
strong view puts an augmentation behind it. This is what the host does for its CIFAR sets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image
from torchvision import transforms

from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop
from usb_negsamp.errors import ConfigError


def weak_transform(
    img_size: int, crop_ratio: float, mean: Sequence[float], std: Sequence[float], horizontal_flip: bool
) -> transforms.Compose:
    """Return crop, flip, tensor, normalization.

    Args:
        img_size: side of the images, in pixels.
        crop_ratio: in (0.5, 1]; the image is shifted by up to ``int(img_size * (1 - crop_ratio))`` pixels.
        mean: per channel, of pixels in [0, 1].
        std: per channel, of pixels in [0, 1].
        horizontal_flip: whether half of the views are mirrored.

    Raises:
        ConfigError: ``crop_ratio`` out of range; reflect padding has no more pixels than that to reflect.
    """
    return transforms.Compose([*_crop_and_flip(img_size, crop_ratio, horizontal_flip), NormalizedTensor(mean, std)])


def strong_transform(
    img_size: int,
    crop_ratio: float,
    mean: Sequence[float],
    std: Sequence[float],
    horizontal_flip: bool,
    augment: Callable[[Image.Image], Image.Image],
) -> transforms.Compose:
    """Return crop, flip, ``augment``, tensor, normalization; the arguments are those of :func:`weak_transform`.

    Args:
        img_size: side of the images, in pixels.
        crop_ratio: in (0.5, 1].
        mean: per channel, of pixels in [0, 1].
        std: per channel, of pixels in [0, 1].
        horizontal_flip: whether half of the views are mirrored.
        augment: PIL image to PIL image, e.g. the host's RandAugment; what can be pickled stays so.

    Raises:
        ConfigError: ``crop_ratio`` out of range.
    """
    return transforms.Compose(
        [*_crop_and_flip(img_size, crop_ratio, horizontal_flip), augment, NormalizedTensor(mean, std)]
    )


def evaluation_transform(mean: Sequence[float], std: Sequence[float]) -> transforms.Compose:
    """Return tensor and normalization: nothing random."""
    return transforms.Compose([NormalizedTensor(mean, std)])


def _crop_and_flip(img_size: int, crop_ratio: float, horizontal_flip: bool) -> list[Any]:
    if not 0.5 < crop_ratio <= 1.0:
        raise ConfigError(f"crop_ratio: expected a number above 0.5 and at most 1, but got {crop_ratio}")
    padding = int(img_size * (1 - crop_ratio))
    crop = ReflectCrop(img_size, padding)
    return [crop, transforms.RandomHorizontalFlip()] if horizontal_flip else [crop]
