"""Strong views as Pillow makes them and as tensors on a device are changed, for tests of either device."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from semilearn.datasets.augmentation import randaugment as host

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.on_device.operations import NUMBERS
from usb_negsamp.data.views.on_device.parcel import Parcel, taken
from usb_negsamp.data.views.on_device.strengths import Operation
from usb_negsamp.host.datasets.batches.rand_augment import ON_DEVICE, SameRandAugment

STRENGTHS = 41
RANGES: dict[Callable[..., Any], tuple[float, float]] = {
    **{operation: (least, most) for operation, least, most in host.augment_list()},
    host.Invert: (0, 1),
    host.TranslateXabs: (-9, 9),
    host.TranslateYabs: (-9, 9),
}
SIZES = ((32, 32), (16, 16), (33, 20), (2, 5), (96, 96))


def images_of(size: tuple[int, int]) -> np.ndarray:
    """Random pixels; some images of few values, one of one color, one with a channel of one value."""
    images = np.random.default_rng(sum(size)).integers(0, 256, (STRENGTHS, *size, 3), dtype=np.uint8)
    images[::3] = 90 + images[::3] % 23
    images[5], images[6, ..., 1] = 7, 9
    images[7] = np.linspace(0, 255, images[7].size).reshape(images[7].shape)
    return images


def on_tensors(operation: Operation, images: np.ndarray, values: list[float], device: str) -> np.ndarray:
    assert operation.apply is not None
    numbers = torch.zeros((len(images), NUMBERS), dtype=torch.int32)
    for row, value in zip(numbers, values, strict=True):
        found = operation.numbers(value, images.shape[1:3])
        row[: len(found)] = torch.tensor(found, dtype=torch.int32)
    given = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)
    before = given.clone()
    made = operation.apply(given, numbers.to(device))
    assert torch.equal(given, before), "the images are left as they are"
    assert made.dtype == torch.uint8
    return np.asarray(made.permute(0, 2, 3, 1).cpu())


OPERATIONS = tuple(one for one in RANGES if one is not host.Identity)


def assert_pillow_s_pixels(operation: Callable[..., Any], size: tuple[int, int], device: str) -> None:
    """At every strength of a range the operation of the host gives an image what its counterpart on ``device`` does."""
    least, most = RANGES[operation]
    values = [least, most, *np.random.default_rng(3).uniform(least, most, STRENGTHS - 2)]
    images = images_of(size)
    expected = [np.asarray(operation(Image.fromarray(one), value)) for one, value in zip(images, values, strict=True)]
    assert np.array_equal(on_tensors(ON_DEVICE[operation], images, values, device), np.stack(expected))


def strong_views(size: tuple[int, int], device: str) -> tuple[np.ndarray, np.ndarray]:
    """Views (N, H, W, 3) by the host's RandAugment one by one, and by its counterpart, from the same keys."""
    augment = host.RandAugment(3, 5)
    there = SameRandAugment(augment).on_device(size)
    assert there is not None
    images = np.concatenate([images_of(size)] * 5)
    keys = list(range(0, 7 * len(images), 7))
    parcel = Parcel()
    drawn = there.draw(KeyedDraws(keys), parcel)
    packed = parcel.packed().to(device)
    given = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)
    made = there.make(given, drawn, lambda slot: taken(packed, slot)).permute(0, 2, 3, 1).cpu().numpy()
    expected = []
    for key, image in zip(keys, images, strict=True):
        random.seed(key)
        np.random.seed(key)
        expected.append(np.asarray(augment(Image.fromarray(image))))
    return np.stack(expected), made
