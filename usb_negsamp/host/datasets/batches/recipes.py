"""How the operations of a transform are carried out on a batch, for those that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision import transforms

from usb_negsamp.data.sources.looked_up import LookedUpImages
from usb_negsamp.data.views import whole_batches as views
from usb_negsamp.data.views.dnll import HorizontalShift
from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop, unchanged
from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.oliver import TensorAugmentation
from usb_negsamp.data.views.on_device.parts import Crop, Mirror, Normalization, Part, SidewaysShift, TensorViews
from usb_negsamp.host.datasets.batches.rand_augment import SameRandAugment
from usb_negsamp.host.datasets.batches.same_views import SameCrop, SameTensor

Step = Callable[[Any, KeyedDraws], Any]
"""An operation of a transform on a batch: images, and what they draw, to images."""


class Recipe(NamedTuple):
    """How a transform makes the views of a batch.

    Attributes:
        steps: its operations, in order.
        draws: whether any of them draws.
        is_strong: whether it goes through the images one by one.
        on_device: the same operations by tensors on a device; None where one of them cannot be made there.
    """

    steps: tuple[Step, ...]
    draws: bool = False
    is_strong: bool = False
    on_device: tuple[Part, ...] | None = ()

    def __call__(self, images: Any, draws: KeyedDraws) -> Tensor:
        """(N, C, H, W) views of (N, ...) stored images."""
        for step in self.steps:
            images = step(images, draws)
        made: Tensor = images
        return made

    def followed_by(self, other: Recipe) -> Recipe:
        """Both, one after the other."""
        parts = None if self.on_device is None or other.on_device is None else (*self.on_device, *other.on_device)
        return Recipe((*self.steps, *other.steps), self.draws or other.draws, self.is_strong or other.is_strong, parts)


def recipe(transform: Any, data: Any) -> Recipe | None:
    """How ``transform`` makes views of a batch of the stored images ``data``; None where a part of it is not known."""
    found, still_pixels = Recipe(()), not _are_known(data) or _are_pixels(data)
    for _, following, are_pixels in _followed(transform, data):
        if following is None:
            return None
        found, still_pixels = found.followed_by(following), are_pixels
    return None if still_pixels else found


def not_on_device(transform: Any, data: Any) -> str | None:
    """What keeps ``transform`` from being made on a device; None where nothing does."""
    if not _are_known(data):
        return f"images kept as {type(data).__name__}"
    still_pixels = _are_pixels(data)
    for part, following, are_pixels in _followed(transform, data):
        if following is None or following.on_device is None:
            return getattr(part, "__name__", type(part).__name__)
        still_pixels = are_pixels
    return "pixels that are not normalized" if still_pixels else None


def _followed(transform: Any, data: Any) -> Iterator[tuple[Any, Recipe | None, bool]]:
    """Each part of a transform, how it is carried out, and whether its images are still 8-bit pixels after it."""
    if not _are_known(data):
        return
    pixels = _are_pixels(data)
    shape = (data.shape[3], *data.shape[1:3]) if pixels else tuple(data.shape[1:])
    for part in _parts(transform):
        following = _on_pixels(part, shape[1:]) if pixels else _on_tensors(part, shape)
        if isinstance(part, (NormalizedTensor, SameTensor)):
            pixels = False
        elif isinstance(part, (ReflectCrop, SameCrop)):
            shape = (shape[0], *(_crop_of(part).size,) * 2)
        yield part, following, pixels


def _are_pixels(data: Any) -> bool:
    stored = isinstance(data, (np.ndarray, LookedUpImages))
    return stored and data.dtype == np.uint8 and data.ndim == 4 and data.shape[-1] == 3


def _are_known(data: Any) -> bool:
    """Whether stored images are 8-bit pixels of three channels, or tensors."""
    return _are_pixels(data) or (isinstance(data, Tensor) and data.dtype == torch.float32 and data.ndim == 4)


def _parts(transform: Any) -> Iterator[Any]:
    if type(transform) is transforms.Compose:
        for part in transform.transforms:
            yield from _parts(part)
    else:
        yield transform


def _on_pixels(part: Any, shape: tuple[int, int]) -> Recipe | None:
    """One part of a transform, on 8-bit images of ``shape``."""
    if isinstance(part, (ReflectCrop, SameCrop)):
        crop = _crop_of(part)
        fits = crop.padding < min(shape) and crop.size <= min(shape) + 2 * crop.padding
        cropped = partial(views.reflect_crops, crop)
        return Recipe((cropped,), draws=True, on_device=(Crop(crop, shape),)) if fits else None
    if type(part) is transforms.RandomHorizontalFlip and part.p == 0.5:
        return Recipe((views.mirrored_by_chance,), draws=True, on_device=(Mirror(),))
    if type(part) is transforms.Resize and part.size == shape[0] == shape[1] and part.max_size is None:
        return Recipe(())
    if isinstance(part, SameRandAugment):
        there = part.on_device(shape)
        return Recipe((partial(_rand_augmented, part),), True, True, None if there is None else (there,))
    if isinstance(part, (NormalizedTensor, SameTensor)):
        operation = part if isinstance(part, NormalizedTensor) else part.normalized_tensor
        return Recipe((partial(_normalized, operation),), on_device=(Normalization(operation),))
    return None


def _on_tensors(part: Any, shape: tuple[int, int, int]) -> Recipe | None:
    """One part of a transform, on images of ``shape`` (C, H, W) that are tensors."""
    if isinstance(part, TensorAugmentation) and part.max_shift < min(shape[1:]):
        there: Part = TensorViews(part, shape)
        return Recipe((partial(views.augmented_tensors, part),), draws=True, on_device=(there,))
    if isinstance(part, HorizontalShift) and part.max_shift < shape[2]:
        there = SidewaysShift(part, shape[1:])
        return Recipe((partial(views.shifted_tensors, part),), draws=True, on_device=(there,))
    return Recipe(()) if part is unchanged else None


def _crop_of(part: ReflectCrop | SameCrop) -> ReflectCrop:
    return part if isinstance(part, ReflectCrop) else part.reflect_crop


def _normalized(operation: NormalizedTensor, images: np.ndarray, draws: KeyedDraws) -> Tensor:
    return views.normalized_tensors(operation, images)


def _rand_augmented(augment: SameRandAugment, images: np.ndarray, draws: KeyedDraws) -> np.ndarray:
    """(N, H, W, 3): each image as ``augment`` changes it."""
    return np.stack(
        [
            augment.changed(image, of_python, partial(draws.uniform, number))
            for number, (image, of_python) in enumerate(zip(images, draws.python(), strict=True))
        ]
    )
