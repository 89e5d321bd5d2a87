"""RandAugment's operations on tensors: what Pillow gives, pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pillow_views import OPERATIONS, RANGES, SIZES, assert_pillow_s_pixels, strong_views
from semilearn.datasets.augmentation import randaugment as host

from usb_negsamp.data.views.rand_augment import CUTOUT_COLOR
from usb_negsamp.host.datasets.batches.rand_augment import ON_DEVICE


def test_every_operation_of_the_host_s_lists_is_there() -> None:
    assert {operation for operation, *_ in host.augment_list() + host.augment_list_no_color()} <= set(ON_DEVICE)
    assert set(ON_DEVICE) == set(RANGES)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__)
def test_an_operation_gives_pillow_s_pixels_at_every_strength(
    operation: Callable[..., Any], size: tuple[int, int]
) -> None:
    assert_pillow_s_pixels(operation, size, "cpu")


def test_the_identity_is_none() -> None:
    assert ON_DEVICE[host.Identity].apply is None


def test_a_strong_view_is_the_host_s() -> None:
    expected, made = strong_views((32, 32), "cpu")
    assert np.array_equal(made, expected)
    assert (made == CUTOUT_COLOR).all(-1).any((1, 2)).all(), "a square of each is cut out"
