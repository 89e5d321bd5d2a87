"""What a checkpoint says of images is read as it was written, or refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from usb_negsamp.data import GCNZCA, ChannelScaling, ImageFormat, read_entry
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.checkpoints.file import plain

SCALED = ImageFormat(ChannelScaling("mean_std", (0.1, 0.2, 0.3), (1.0, 0.5, 0.25)), 16, ("cat", "dog"), ("bird",))


def test_an_entry_gives_the_same_format_again() -> None:
    assert read_entry(SCALED.entry(), "x.pth") == SCALED
    pixels = np.random.default_rng(0).integers(0, 256, (5, 2, 2, 3), dtype=np.uint8)
    whitened = ImageFormat(GCNZCA.fit(pixels), 2, ("cat", "dog"))
    entry = plain(whitened.entry())
    assert isinstance(entry["whitening"], torch.Tensor)
    again = read_entry(entry, "x.pth").preprocessing
    assert isinstance(again, GCNZCA)
    assert np.array_equal(again(pixels), whitened.preprocessing(pixels))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"preprocessing": "none"}, "x.pth: image_format: preprocessing: expected mean_std, minus_one_to_one, gcn_zca"),
        ({"mean": [0.1, 0.2]}, "it is damaged"),
        ({"img_size": "large"}, "it is damaged"),
        ({"classes": 3}, "it is damaged"),
        ({"preprocessing": "gcn_zca", "whitening": torch.zeros(2, 3)}, "it is damaged"),
    ],
)
def test_a_damaged_entry_is_one_line(change: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        read_entry({**SCALED.entry(), **change}, "x.pth")
