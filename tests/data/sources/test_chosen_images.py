"""Images that are looked up where they lie are those that a copy would hold."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_negsamp.data.sources.chosen_images import ChosenImages

FIRST = np.random.default_rng(0).integers(0, 256, (7, 2, 3, 3), dtype=np.uint8)
SECOND = np.random.default_rng(1).integers(0, 256, (4, 2, 3, 3), dtype=np.uint8)
INDICES = np.array([6, 0, 0, 3, 5])
COPY = np.concatenate([FIRST[INDICES], SECOND, FIRST])
CHOSEN = ChosenImages((FIRST, INDICES), (SECOND, None), (FIRST, None))


@pytest.mark.parametrize(
    "places",
    [
        *(0, 4, 5, 15, -1, -16, np.int64(8)),
        *(slice(None), slice(3, 9), slice(None, None, -2), slice(20, 30)),
        *([2, 8, -3, 2], np.array([15, 0]), np.array([], dtype=np.int64), np.arange(16) % 3 == 0),
    ],
)
def test_every_index_gives_what_it_gives_of_a_copy(places: Any) -> None:
    found, expected = CHOSEN[places], COPY[places]
    assert type(found) is np.ndarray
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


def test_it_has_the_form_of_a_copy() -> None:
    assert (CHOSEN.shape, CHOSEN.ndim, CHOSEN.dtype, len(CHOSEN)) == (COPY.shape, COPY.ndim, COPY.dtype, len(COPY))
    assert np.array_equal(np.asarray(CHOSEN), COPY)
    assert np.array_equal(np.concatenate([COPY, CHOSEN]), np.concatenate([COPY, COPY]))


@pytest.mark.parametrize("place", [16, -17, [0, 16]])
def test_a_place_that_is_not_there_is_an_error(place: Any) -> None:
    with pytest.raises(IndexError, match="expected a place below 16"):
        CHOSEN[place]


def test_a_change_of_what_was_looked_up_changes_no_image() -> None:
    before = FIRST.copy()
    for found in (CHOSEN[1], CHOSEN[:], np.asarray(CHOSEN)):
        found[...] = 0
    assert np.array_equal(FIRST, before)


def test_a_deep_copy_copies_no_image() -> None:
    assert copy.deepcopy(CHOSEN) is CHOSEN


def test_a_file_is_looked_up_in(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", FIRST)
    chosen = ChosenImages((np.load(tmp_path / "images.npy", mmap_mode="r"), INDICES))
    assert type(chosen[2]) is type(chosen[[0, 1]]) is np.ndarray
    assert np.array_equal(np.asarray(chosen), FIRST[INDICES])
