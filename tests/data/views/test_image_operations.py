"""Our operations on images against torchvision's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from usb_negsamp.data.views.image_operations import NormalizedTensor, ReflectCrop

sides = st.integers(5, 40)


def picture(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@given(height=sides, width=sides, padding=st.integers(0, 4), smaller=st.integers(0, 4), seed=st.integers(0, 999))
def test_the_crop_is_that_of_torchvision_from_the_same_draws(
    height: int, width: int, padding: int, smaller: int, seed: int
) -> None:
    size = min(height, width) + 2 * padding - smaller
    image = picture(height, width, seed)
    crops = []
    for crop in (ReflectCrop(size, padding), transforms.RandomCrop(size, padding, padding_mode="reflect")):
        torch.manual_seed(seed)
        crops.append(np.asarray(crop(image)))
        after = torch.rand(())
        crops.append(after.numpy())
    assert np.array_equal(crops[0], crops[2])
    assert crops[1] == crops[3], "both leave the generator in one state"


def test_an_image_smaller_than_the_crop_is_refused() -> None:
    with pytest.raises(ValueError, match=r"at least 28 x 28 .* but got 20 x 28"):
        ReflectCrop(32, 2)(picture(20, 28))


@given(
    mean=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    std=st.lists(st.floats(0.01, 2.0), min_size=3, max_size=3),
    seed=st.integers(0, 999),
)
def test_the_tensor_is_that_of_torchvision(mean: list[float], std: list[float], seed: int) -> None:
    image = picture(16, 16, seed)
    theirs = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])(image)
    ours = NormalizedTensor(mean, std)(image)
    assert torch.equal(ours, theirs)
    assert ours.is_contiguous()
    assert ours.dtype == torch.float32


@pytest.mark.parametrize("mode", ["L", "RGBA", "F"])
def test_an_image_of_other_pixels_is_refused(mode: str) -> None:
    with pytest.raises(ValueError, match=f"8-bit image with 3 channels, but got mode {mode}"):
        NormalizedTensor((0.5,) * 3, (0.5,) * 3)(Image.new(mode, (8, 8)))
