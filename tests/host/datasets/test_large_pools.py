"""A pool of any size is neither copied nor listed when a run is built, and its images come from where they lie."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from semilearn.datasets import DistributedSampler

from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource
from usb_negsamp.data.sources.registry import SOURCES
from usb_negsamp.host.datasets.build import build_source
from usb_negsamp.host.datasets.registry import EXTRA_DATASETS
from usb_negsamp.host.datasets.seeded_loading import SeededSampler
from usb_negsamp.host.evaluation.predictions import predictions
from usb_negsamp.testing import build_tiny, tiny_arguments
from usb_negsamp.testing.tiny import build_from

POOL = 20_000
BYTES = POOL * 3 * 32 * 32


@pytest.fixture
def offer_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], np.ndarray]:
    """Makes ``pool`` a data set of images that lie in a file, and returns them."""

    def offer() -> np.ndarray:
        train = np.lib.format.open_memmap(tmp_path / "pool.npy", "w+", np.uint8, (POOL, 32, 32, 3))
        train[:, :, :, 0] = (np.arange(POOL) % 251)[:, None, None]
        train[:, :, :, 1] = (np.arange(POOL) // 251)[:, None, None]
        test = ImageArrays(np.zeros((100, 32, 32, 3), dtype=np.uint8), np.arange(100) % 10)

        def load(data_dir: Path, img_size: int) -> ImageSource:
            part = ImageArrays(train, np.arange(POOL) % 10)
            classes, mean, std = tuple("abcdefghij"), (0.5, 0.5, 0.5), (0.3, 0.3, 0.3)
            return ImageSource("pool", classes, part, None, None, test, mean, std, horizontal_flip=True)

        monkeypatch.setitem(SOURCES, "pool", load)
        monkeypatch.setitem(EXTRA_DATASETS, "pool", build_source)
        return train

    return offer


OF_OPEN_SET = {"seen_classes": 6, "num_classes": 6, "mismatch_protocol": "whole_pool", "num_labels": 60}


@pytest.mark.parametrize("keys", [{}, {"include_lb_to_ulb": False}, OF_OPEN_SET])
def test_building_takes_no_memory_for_the_images_of_the_pool(
    offer_pool: Callable[[], np.ndarray], tmp_path: Path, keys: dict[str, Any]
) -> None:
    images = offer_pool()
    args = tiny_arguments(
        "fixmatch", tmp_path, **{"dataset": "pool", "img_size": 32, "num_labels": 40, "validation_size": 100, **keys}
    )
    tracemalloc.start()
    try:
        algorithm = build_from(args)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < BYTES / 4
    parts = algorithm.dataset_dict
    split = parts["train_ulb"].data
    assert len(split) == POOL - 100 - (40 if keys == {"include_lb_to_ulb": False} else 0)
    batch = next(iter(algorithm.loader_dict["train_ulb"]))
    assert batch["x_ulb_w"].shape[1:] == (3, 32, 32)
    built = parts.built.split
    first = built.unlabeled[0] if keys else built.labeled[0]
    assert np.array_equal(split[0], images[first])


def sampler(number: int, total: int, num_replicas: int = 1, rank: int = 0) -> DistributedSampler:
    return DistributedSampler(range(number), num_replicas, rank, num_samples=total)


@pytest.mark.parametrize(
    ("number", "total", "num_replicas"),
    [(10, 37, 1), (10, 40, 1), (10, 7, 1), (7, 36, 3), (10, 40, 4), (3, 2, 2), (5000, 12_000, 2)],
)
def test_the_order_is_that_of_the_hosts_sampler(number: int, total: int, num_replicas: int) -> None:
    for rank in range(num_replicas):
        of_host = sampler(number, total, num_replicas, rank)
        seeded = SeededSampler(of_host, seed=3, stream=1)
        seeded.set_epoch(2)
        assert [index for _, index in seeded] == list(of_host)
        seeded.start = 1
        assert [index for _, index in seeded] == list(of_host)[1:]


def test_an_order_of_any_length_is_drawn_as_far_as_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    randperm = torch.randperm

    def counted(number: int, **more: Any) -> torch.Tensor:
        drawn.append(number)
        return randperm(number, **more)

    monkeypatch.setattr(torch, "randperm", counted)
    seeded = SeededSampler(sampler(10, 10**12), seed=0, stream=1)
    assert len(list(islice(seeded, 25))) == 25
    assert drawn == [10, 10, 10]


def test_another_sampler_keeps_its_own_order() -> None:
    class Backwards(DistributedSampler):
        def __iter__(self) -> Any:
            return iter(range(len(self) - 1, -1, -1))

    seeded = SeededSampler(Backwards(range(4), 1, 0, num_samples=4), seed=0, stream=1)
    assert [index for _, index in seeded] == [3, 2, 1, 0]


def test_predictions_of_a_pool_are_of_its_images_in_order(tmp_path: Path) -> None:
    algorithm = build_tiny("fixmatch", tmp_path)
    dataset = algorithm.dataset_dict["test"]
    found = predictions(algorithm, dataset, 50)
    assert found.labels.dtype == torch.int64
    assert found.labels.tolist() == [int(dataset.targets[place]) for place in np.linspace(0, 354, 50).astype(int)]
