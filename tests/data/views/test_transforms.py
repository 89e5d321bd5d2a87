"""Weak, strong and evaluation views."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from usb_negsamp import ConfigError
from usb_negsamp.data import evaluation_transform, strong_transform, weak_transform

MEAN = (0.5, 0.4, 0.3)
STD = (0.2, 0.2, 0.2)


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def test_evaluation_only_normalizes() -> None:
    view = evaluation_transform(MEAN, STD)(picture())
    pixels = torch.from_numpy(np.asarray(picture()).copy()).permute(2, 0, 1) / 255
    assert torch.allclose(view, (pixels - torch.tensor(MEAN)[:, None, None]) / 0.2, atol=1e-6)


def test_without_padding_and_flip_the_weak_view_is_the_evaluation_view() -> None:
    weak = weak_transform(32, 1.0, MEAN, STD, horizontal_flip=False)
    assert torch.equal(weak(picture()), evaluation_transform(MEAN, STD)(picture()))


def test_the_weak_view_is_a_crop_of_the_reflect_padded_image_shifted_by_at_most_four_pixels() -> None:
    weak = weak_transform(32, 0.875, MEAN, STD, horizontal_flip=False)
    padded = np.pad(np.asarray(picture()), ((4, 4), (4, 4), (0, 0)), mode="reflect")
    whole = evaluation_transform(MEAN, STD)(Image.fromarray(padded))
    crops = [whole[:, top : top + 32, left : left + 32] for top in range(9) for left in range(9)]
    shifts = set()
    for _ in range(50):
        view = weak(picture())
        matches = [index for index, crop in enumerate(crops) if torch.equal(view, crop)]
        assert len(matches) == 1
        shifts.add(matches[0])
    assert len(shifts) > 20


def test_half_of_the_weak_views_are_mirrored_where_that_is_allowed() -> None:
    weak = weak_transform(32, 1.0, MEAN, STD, horizontal_flip=True)
    plain = evaluation_transform(MEAN, STD)(picture())
    mirrored = sum(torch.equal(weak(picture()), plain.flip(-1)) for _ in range(200))
    assert 60 < mirrored < 140


def test_the_strong_view_is_augmented_before_it_is_normalized() -> None:
    strong = strong_transform(32, 1.0, MEAN, STD, False, ImageOps.invert)
    assert torch.equal(strong(picture()), evaluation_transform(MEAN, STD)(ImageOps.invert(picture())))


def test_the_views_travel_to_workers_of_a_data_loader() -> None:
    for transform in (
        weak_transform(32, 0.875, MEAN, STD, True),
        strong_transform(32, 0.875, MEAN, STD, True, ImageOps.invert),
        evaluation_transform(MEAN, STD),
    ):
        assert pickle.loads(pickle.dumps(transform))(picture()).shape == (3, 32, 32)


@pytest.mark.parametrize("crop_ratio", [0.5, 1.1, -1.0])
def test_a_crop_ratio_out_of_range_is_refused(crop_ratio: float) -> None:
    with pytest.raises(ConfigError, match="crop_ratio"):
        weak_transform(32, crop_ratio, MEAN, STD, False)
