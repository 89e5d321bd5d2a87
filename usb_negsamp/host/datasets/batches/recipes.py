"""How the operations of a transform are carried out on a batch, for those that are known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchvision import transforms

from usb_negsamp.data.sources.chosen_images import ChosenImages
from usb_negsamp.data.views import whole_batches as views
from usb_negsamp.data.views.dnll import HorizontalShift
from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop, unchanged
from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.oliver import TensorAugmentation
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
    """

    steps: tuple[Step, ...]
    draws: bool = False
    is_strong: bool = False

    def __call__(self, images: Any, draws: KeyedDraws) -> Tensor:
        """(N, C, H, W) views of (N, ...) stored images."""
        for step in self.steps:
            images = step(images, draws)
        made: Tensor = images
        return made


def recipe(transform: Any, data: Any) -> Recipe | None:
    """How ``transform`` makes views of a batch of the stored images ``data``; None where a part of it is not known."""
    stored = isinstance(data, (np.ndarray, ChosenImages))
    pixels = stored and data.dtype == np.uint8 and data.ndim == 4 and data.shape[-1] == 3
    tensors = isinstance(data, Tensor) and data.dtype == torch.float32 and data.ndim == 4
    if not (pixels or tensors):
        return None
    shape = tuple(data.shape[1:3] if pixels else data.shape[2:])
    found = Recipe(())
    for part in _parts(transform):
        following = _on_pixels(part, shape) if pixels else _on_tensors(part, shape)
        if following is None:
            return None
        found = Recipe(
            (*found.steps, *following.steps), found.draws or following.draws, found.is_strong or following.is_strong
        )
        if isinstance(part, (NormalizedTensor, SameTensor)):
            pixels = False
        elif isinstance(part, (ReflectCrop, SameCrop)):
            shape = (_crop_of(part).size,) * 2
    return None if pixels else found


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
        return Recipe((partial(views.reflect_crops, crop),), draws=True) if fits else None
    if type(part) is transforms.RandomHorizontalFlip and part.p == 0.5:
        return Recipe((views.mirrored_by_chance,), draws=True)
    if type(part) is transforms.Resize and part.size == shape[0] == shape[1] and part.max_size is None:
        return Recipe(())
    if isinstance(part, SameRandAugment):
        return Recipe((partial(_rand_augmented, part),), draws=True, is_strong=True)
    if isinstance(part, (NormalizedTensor, SameTensor)):
        operation = part if isinstance(part, NormalizedTensor) else part.normalized_tensor
        return Recipe((lambda images, draws: views.normalized_tensors(operation, images),))
    return None


def _on_tensors(part: Any, shape: tuple[int, int]) -> Recipe | None:
    """One part of a transform, on images of ``shape`` that are tensors."""
    if isinstance(part, TensorAugmentation) and part.max_shift < min(shape):
        return Recipe((partial(views.augmented_tensors, part),), draws=True)
    if isinstance(part, HorizontalShift) and part.max_shift < shape[1]:
        return Recipe((partial(views.shifted_tensors, part),), draws=True)
    return Recipe(()) if part is unchanged else None


def _crop_of(part: ReflectCrop | SameCrop) -> ReflectCrop:
    return part if isinstance(part, ReflectCrop) else part.reflect_crop


def _rand_augmented(augment: SameRandAugment, images: np.ndarray, draws: KeyedDraws) -> np.ndarray:
    """(N, H, W, 3): each image as ``augment`` changes it."""
    return np.stack(
        [
            augment.changed(image, of_python, partial(draws.uniform, number))
            for number, (image, of_python) in enumerate(zip(images, draws.python(), strict=True))
        ]
    )
