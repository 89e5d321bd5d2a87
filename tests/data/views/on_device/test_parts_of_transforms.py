"""Parcels of draws, and the parts of transforms that read them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from usb_negsamp.data.views.on_device.parcel import Parcel, taken
from usb_negsamp.data.views.on_device.windows import mirrored, reflected_windows, turned

IMAGES = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def test_a_parcel_gives_back_what_was_put_in() -> None:
    arrays = [
        np.arange(6).reshape(2, 3),
        np.array([0.1, -2.5]),
        np.array([True, False]),
        np.array(-7),
        np.empty((0, 4)),
    ]
    parcel = Parcel()
    slots = pickle.loads(pickle.dumps([parcel.add(array) for array in arrays]))
    packed = parcel.packed()
    assert packed.shape == (11,)
    for slot, array in zip(slots, arrays, strict=True):
        found = taken(packed, slot)
        assert found.shape == array.shape
        assert found.dtype == (torch.float32 if array.dtype == np.float64 else torch.int32)
        assert np.array_equal(found.numpy(), array.astype(np.float32 if found.is_floating_point() else np.int32))


def test_a_window_is_that_of_the_reflected_image() -> None:
    padded = torch.nn.functional.pad(IMAGES, (2, 2, 2, 2), mode="reflect")
    tops, lefts = torch.tensor([-2, 0, 2, 1]), torch.tensor([2, -1, -2, 0])
    found = reflected_windows(IMAGES, (6, 5), tops, lefts)
    for number, (top, left) in enumerate(zip(tops.tolist(), lefts.tolist(), strict=True)):
        assert torch.equal(found[number], padded[number, :, top + 2 : top + 8, left + 2 : left + 7])


def test_chosen_images_are_mirrored() -> None:
    found = mirrored(IMAGES, torch.tensor([1, 0, 0, 1]))
    assert torch.equal(found[0], IMAGES[0].flip(-1))
    assert torch.equal(found[1:3], IMAGES[1:3])


@pytest.mark.parametrize("side", [1, 2, 5, 6])
def test_each_image_is_turned_by_its_own_quarters(side: int) -> None:
    images = IMAGES[..., :side, :side]
    found = turned(images, torch.tensor([2, 0, 3, 1]))
    for number, quarters in enumerate((2, 0, 3, 1)):
        assert torch.equal(found[number], images[number].rot90(quarters, (1, 2)))
