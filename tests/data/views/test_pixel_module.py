"""Preprocessing as a module gives what the views for evaluation give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from usb_negsamp.data.views.image_operations import NormalizedTensor
from usb_negsamp.data.views.pixel_module import pixel_module
from usb_negsamp.data.views.preprocessing import GCNZCA, ChannelScaling

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 3), dtype=np.uint8)
RAW = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)
SCALING = ChannelScaling("mean_std", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_scaled_pixels_are_bit_for_bit_those_of_the_evaluation() -> None:
    plain = NormalizedTensor(SCALING.mean, SCALING.std)
    expected = torch.stack([plain(Image.fromarray(pixels)) for pixels in PIXELS])
    module = pixel_module(SCALING, 6)
    assert torch.equal(module(RAW), expected)
    assert torch.equal(module(RAW.float() / 255), expected)
    assert module(RAW.double() / 255).dtype == torch.float32


def test_whitened_pixels_are_those_of_the_statistics_and_flat_images_stay_finite() -> None:
    statistics = GCNZCA.fit(PIXELS)
    flat = np.concatenate([PIXELS, np.full((1, 6, 6, 3), 7, dtype=np.uint8)])
    expected = torch.from_numpy(statistics(flat))
    raw = torch.from_numpy(flat).permute(0, 3, 1, 2)
    module = pixel_module(statistics, 6)
    torch.testing.assert_close(module(raw), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(module(raw.float() / 255), expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (torch.zeros(2, 3, 6, 7, dtype=torch.uint8), r"expected images \(N, 3, 6, 6\), but got \(2, 3, 6, 7\)"),
        (torch.zeros(3, 6, 6, dtype=torch.uint8), r"but got \(3, 6, 6\)"),
        (torch.zeros(2, 3, 6, 6, dtype=torch.int64), "but got torch.int64"),
    ],
)
def test_images_of_another_kind_are_refused(images: torch.Tensor, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        pixel_module(SCALING, 6)(images)
