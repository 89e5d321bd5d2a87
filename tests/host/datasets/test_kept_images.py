"""Batches of chosen unlabeled images: which, in what views, and that nothing but seed and number decides it."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from usb_negsamp.host.datasets.kept_images import KeptBatches, KeptImages
from usb_negsamp.testing import build_tiny

CPU = torch.device("cpu")


def drawn(chosen: list[int], size: int, *, first: int = 0, share: tuple[int, int] = (0, 1), count: int = 6) -> Any:
    """The (key, index) pairs of some batches."""
    return list(islice(iter(KeptBatches(np.array(chosen), size, 7, first, *share)), count))


@given(st.integers(1, 9), st.integers(1, 7))
def test_every_chosen_image_comes_once_a_pass_and_with_another_key_each_time(number: int, size: int) -> None:
    chosen = [10 * index for index in range(number)]
    pairs = [pair for batch in drawn(chosen, size, count=2 * number) for pair in batch]
    for first in range(0, len(pairs), number):
        counts = Counter(index for _, index in pairs[first : first + number])
        assert set(counts.values()) == {1}
        assert set(counts) <= set(chosen)
    assert len({key for key, _ in pairs}) == len(pairs)


def test_passes_have_orders_of_their_own() -> None:
    passes = [[index for _, index in batch] for batch in drawn(list(range(20)), 20, count=3)]
    assert len({tuple(one) for one in passes}) == 3


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 5))
def test_a_later_start_and_more_processes_give_the_same_rows(number: int, size: int, first: int) -> None:
    chosen = list(range(number))
    whole = drawn(chosen, 2 * size, count=first + 3)
    assert drawn(chosen, 2 * size, first=first, count=3) == whole[first:]
    for rank in range(2):
        part = drawn(chosen, size, share=(rank, 2), count=first + 3)
        assert part == [batch[rank::2] for batch in whole]


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return build_tiny("fixmatch", tmp_path_factory.mktemp("run")).dataset_dict["train_ulb"]


def batch_of(images: KeptImages, number: int) -> dict[str, torch.Tensor]:
    batch = images.batch(number, CPU)
    assert batch is not None
    return batch


def images_of(pool: Any, **options: Any) -> KeptImages:
    return KeptImages(pool, ("x_ulb_w", "x_ulb_s"), **{"batch_size": 4, "seed": 3, "share": (0, 1), **options})


def test_a_batch_has_the_views_of_chosen_images_alone(pool: Any) -> None:
    images = images_of(pool)
    images.choose(np.array([5]))
    batch = batch_of(images, 0)
    assert set(batch) == {"x_ulb_w", "x_ulb_s"}
    assert len(batch["x_ulb_w"]) == 4
    plain = torch.stack([pool.dataset[5]["x_ulb_w"] if hasattr(pool, "dataset") else pool[5]["x_ulb_w"]])
    assert batch["x_ulb_w"].shape[1:] == plain.shape[1:]
    assert not torch.equal(batch["x_ulb_w"][0], batch["x_ulb_w"][1]), "a new view each time"
    images.choose(np.array([], dtype=np.int64))
    assert images.batch(1, CPU) is None


def test_a_step_gets_the_same_whatever_came_before_it_and_training_does_not_notice(pool: Any) -> None:
    one, other = images_of(pool), images_of(pool)
    for images in (one, other):
        images.choose(np.arange(30))
    state = torch.get_rng_state()
    steps = [batch_of(one, number) for number in range(4)]
    assert torch.equal(torch.get_rng_state(), state)
    for number in (2, 3, 0):
        again = batch_of(other, number)
        assert all(torch.equal(again[view], steps[number][view]) for view in again)


def test_workers_make_the_same_views(pool: Any) -> None:
    here, there = images_of(pool), images_of(pool)
    there.num_workers = 1
    for images in (here, there):
        images.choose(np.arange(30))
    for number in range(2):
        first, second = batch_of(here, number), batch_of(there, number)
        assert all(torch.equal(first[view], second[view]) for view in first)
