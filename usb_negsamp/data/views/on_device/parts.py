"""The parts of a transform in two halves: what is drawn, on the host, and what is made of it, on a device.

The draws are those of :mod:`usb_negsamp.data.views.whole_batches`, in the same order. Images are (N, C, H, W): uint8
until they are normalized, then float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.data.views.dnll import HorizontalShift
from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop
from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.oliver import TensorAugmentation
from usb_negsamp.data.views.on_device.parcel import Parcel, Slot
from usb_negsamp.data.views.on_device.windows import mirrored, reflected_windows

Taken = Callable[[Slot], Tensor]
"""Finds on the device what was put into the parcel."""


class Part(Protocol):
    """An operation of a transform. What ``draw`` returns can be pickled; ``make`` may run in another process."""

    def draw(self, draws: KeyedDraws, parcel: Parcel) -> Any: ...
    def make(self, images: Tensor, drawn: Any, taken: Taken) -> Tensor: ...


@dataclass(frozen=True)
class Crop:
    """A random crop of an image that is reflected at its borders.

    Attributes:
        crop: its size and border.
        size: height and width of the images.
    """

    crop: ReflectCrop
    size: tuple[int, int]

    def draw(self, draws: KeyedDraws, parcel: Parcel) -> Slot | None:
        rows, columns = self.crop.room(*self.size)
        if not (rows or columns):
            return None
        return parcel.add(np.stack([draws.whole_numbers(rows), draws.whole_numbers(columns)]) - self.crop.padding)

    def make(self, images: Tensor, drawn: Slot | None, taken: Taken) -> Tensor:
        if drawn is None:
            return images
        tops, lefts = taken(drawn)
        return reflected_windows(images, (self.crop.size, self.crop.size), tops, lefts)


@dataclass(frozen=True)
class Mirror:
    """Half of the images from right to left."""

    def draw(self, draws: KeyedDraws, parcel: Parcel) -> Slot:
        return parcel.add(draws.coins())

    def make(self, images: Tensor, drawn: Slot, taken: Taken) -> Tensor:
        return mirrored(images, taken(drawn))


@dataclass(frozen=True)
class Normalization:
    """8-bit images as float32, less a mean, over a standard deviation."""

    operation: NormalizedTensor

    def draw(self, draws: KeyedDraws, parcel: Parcel) -> Slot:
        ones = np.full_like(self.operation.mean, 255)
        return parcel.add(np.stack([ones, self.operation.mean, self.operation.std]))

    def make(self, images: Tensor, drawn: Slot, taken: Taken) -> Tensor:
        # From tensors: over a number of the host a GPU multiplies by the reciprocal.
        largest, mean, std = taken(drawn)
        return images.float().div_(largest).sub_(mean).div_(std)


@dataclass(frozen=True)
class TensorViews:
    """Mirrored, shifted and noisy images that are tensors."""

    augmentation: TensorAugmentation
    shape: tuple[int, int, int]

    def draw(self, draws: KeyedDraws, parcel: Parcel) -> tuple[Slot | None, Slot | None, Slot | None]:
        shift = self.augmentation.max_shift
        coins = parcel.add(draws.coins()) if self.augmentation.horizontal_flip else None
        starts = None
        if shift:
            starts = parcel.add(np.stack([draws.whole_numbers(2 * shift), draws.whole_numbers(2 * shift)]) - shift)
        noise = parcel.add(draws.normal(self.shape).numpy()) if self.augmentation.noise_std else None
        return coins, starts, noise

    def make(self, images: Tensor, drawn: tuple[Slot | None, ...], taken: Taken) -> Tensor:
        coins, starts, noise = drawn
        if coins is not None:
            images = mirrored(images, taken(coins))
        if starts is not None:
            tops, lefts = taken(starts)
            images = reflected_windows(images, self.shape[1:], tops, lefts)
        if noise is not None:
            images = images + self.augmentation.noise_std * taken(noise)
        return images


@dataclass(frozen=True)
class SidewaysShift:
    """Images that are tensors, shifted sideways."""

    shift: HorizontalShift
    size: tuple[int, int]

    def draw(self, draws: KeyedDraws, parcel: Parcel) -> Slot:
        return parcel.add(draws.whole_numbers(2 * self.shift.max_shift) - self.shift.max_shift)

    def make(self, images: Tensor, drawn: Slot, taken: Taken) -> Tensor:
        lefts = taken(drawn)
        return reflected_windows(images, self.size, torch.zeros_like(lefts), lefts)
