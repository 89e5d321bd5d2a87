"""Operations on whole batches against those on one image after the other, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from usb_negsamp.data.views import whole_batches
from usb_negsamp.data.views.dnll import HorizontalShift
from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop
from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.oliver import TensorAugmentation

keys = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=6)
sides = st.integers(5, 24)


def pixels_of(keys: list[int], height: int, width: int, channels: int = 3) -> np.ndarray:
    generator = np.random.default_rng(keys[0])
    return generator.integers(0, 256, (len(keys), height, width, channels), dtype=np.uint8)


def tensors_of(keys: list[int], height: int, width: int) -> torch.Tensor:
    return torch.from_numpy(pixels_of(keys, height, width)).permute(0, 3, 1, 2).float() / 100


@given(keys=keys, height=sides, width=sides, padding=st.integers(0, 4), smaller=st.integers(0, 6))
def test_crops_and_flips_are_those_of_torchvision(
    keys: list[int], height: int, width: int, padding: int, smaller: int
) -> None:
    size = max(1, min(height, width) + 2 * padding - smaller)
    pixels = pixels_of(keys, height, width)
    before = pixels.copy()
    draws = KeyedDraws(keys)
    crops = whole_batches.reflect_crops(ReflectCrop(size, padding), pixels, draws)
    found = whole_batches.mirrored_by_chance(crops, draws)
    theirs = transforms.Compose(
        [transforms.RandomCrop(size, padding, padding_mode="reflect"), transforms.RandomHorizontalFlip()]
    )
    for key, image, view in zip(keys, pixels, found, strict=True):
        torch.manual_seed(key)
        assert np.array_equal(view, np.asarray(theirs(Image.fromarray(image))))
    assert np.array_equal(pixels, before)


def test_images_smaller_than_the_crop_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 28 x 28 .* but got 20 x 28"):
        whole_batches.reflect_crops(ReflectCrop(32, 2), pixels_of([1], 20, 28), KeyedDraws([1]))


@pytest.mark.parametrize("channels", [1, 3])
@given(data=st.data(), keys=keys, height=sides, width=sides)
def test_tensors_are_those_of_torchvision(
    channels: int, data: st.DataObject, keys: list[int], height: int, width: int
) -> None:
    mean = data.draw(st.lists(st.floats(0.0, 1.0), min_size=channels, max_size=channels))
    std = data.draw(st.lists(st.floats(0.01, 2.0), min_size=channels, max_size=channels))
    pixels = pixels_of(keys, height, width, channels)
    found = whole_batches.normalized_tensors(NormalizedTensor(mean, std), pixels)
    theirs = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    assert torch.equal(found, torch.stack([theirs(image) for image in pixels]))
    assert found.is_contiguous()


@given(keys=keys, height=sides, width=sides, flip=st.booleans(), shift=st.integers(0, 4), noise=st.booleans())
def test_tensors_are_augmented_as_one_by_one(
    keys: list[int], height: int, width: int, flip: bool, shift: int, noise: bool
) -> None:
    augmentation = TensorAugmentation(flip, shift, 0.15 if noise else 0.0)
    images = tensors_of(keys, height, width)
    before = images.clone()
    draws = KeyedDraws(keys)
    views = [whole_batches.augmented_tensors(augmentation, images, draws) for _ in range(2)]
    for number, key in enumerate(keys):
        torch.manual_seed(key)
        for view in views:
            assert torch.equal(view[number], augmentation(before[number]))
    assert torch.equal(images, before)


@given(keys=keys, height=sides, width=sides, shift=st.integers(0, 4))
def test_tensors_are_shifted_as_one_by_one(keys: list[int], height: int, width: int, shift: int) -> None:
    images = tensors_of(keys, height, width)
    found = whole_batches.shifted_tensors(HorizontalShift(shift), images, KeyedDraws(keys))
    for number, key in enumerate(keys):
        torch.manual_seed(key)
        assert torch.equal(found[number], HorizontalShift(shift)(images[number]))
