"""A labeled data set that grows by unlabeled images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from usb_negsamp import ConfigError
from usb_negsamp.host.datasets.extra_views import ExtraViews
from usb_negsamp.host.datasets.labeled_anew import train_on, with_images_of
from usb_negsamp.host.datasets.seeded_loading import skip_to
from usb_negsamp.testing import build_tiny

ROWS, CLASSES = np.array([3, 0, 7]), np.array([1, 9, 1])


@pytest.fixture
def algorithm(tmp_path: Path) -> Any:
    return build_tiny("supervised", tmp_path)


def test_the_images_follow_the_labeled_ones_as_their_classes(algorithm: Any) -> None:
    labeled, unlabeled = (algorithm.dataset_dict[f"train_{kind}"] for kind in ("lb", "ulb"))
    more = with_images_of(labeled, unlabeled, ROWS, CLASSES)
    assert (len(labeled), len(more)) == (40, 43)
    assert np.array_equal(more.data[40:], unlabeled.data[ROWS])
    assert more.targets.dtype == np.asarray(labeled.targets).dtype
    sample = more[41]
    assert sample.keys() == labeled[0].keys()
    assert (sample["idx_lb"], sample["y_lb"]) == (41, 9)


@pytest.mark.parametrize("kind", ["tensors", "lists"])
def test_images_may_be_tensors_or_a_list(kind: str, algorithm: Any) -> None:
    labeled, unlabeled = (algorithm.dataset_dict[f"train_{kind}"] for kind in ("lb", "ulb"))
    expected = np.concatenate([labeled.data, unlabeled.data[ROWS]])
    for dataset in (labeled, unlabeled):
        stored = np.asarray(dataset.data)
        dataset.data = torch.from_numpy(stored) if kind == "tensors" else list(stored)
    more = with_images_of(labeled, unlabeled, ROWS, CLASSES)
    assert isinstance(more.data, torch.Tensor if kind == "tensors" else list)
    assert np.array_equal(np.asarray(more.data), expected)


def test_views_that_a_wrapper_added_are_there_of_all_of_them(algorithm: Any) -> None:
    labeled, unlabeled = (algorithm.dataset_dict[f"train_{kind}"] for kind in ("lb", "ulb"))
    more = with_images_of(ExtraViews(labeled, ("x_lb_1",)), ExtraViews(unlabeled, ("x_ulb_w",)), ROWS, CLASSES)
    assert len(more) == 43
    assert {"x_lb", "x_lb_1", "y_lb"} <= more[42].keys()


def test_the_strong_view_is_that_of_the_labeled_images(algorithm: Any) -> None:
    labeled, unlabeled = (algorithm.dataset_dict[f"train_{kind}"] for kind in ("lb", "ulb"))
    more = with_images_of(labeled, unlabeled, ROWS, CLASSES, view="strong")
    assert more.transform is labeled.strong_transform
    labeled.strong_transform = None
    with pytest.raises(ConfigError, match="expected labeled images that have a strong view"):
        with_images_of(labeled, unlabeled, ROWS, CLASSES, view="strong")


def test_batches_come_from_the_new_images_in_the_order_of_the_seed(algorithm: Any, tmp_path: Path) -> None:
    labeled, unlabeled = (algorithm.dataset_dict[f"train_{kind}"] for kind in ("lb", "ulb"))
    first = torch.cat([batch["idx_lb"] for batch in algorithm.loader_dict["train_lb"]])
    streams = algorithm.args.num_loader_streams
    train_on(algorithm, labeled)
    assert torch.equal(torch.cat([batch["idx_lb"] for batch in algorithm.loader_dict["train_lb"]]), first)
    assert algorithm.args.num_loader_streams == streams
    train_on(algorithm, with_images_of(labeled, unlabeled, np.arange(500), np.zeros(500, dtype=np.int64)))
    drawn = torch.cat([batch["idx_lb"] for batch in algorithm.loader_dict["train_lb"]])
    assert drawn.max() >= 40
    assert len(drawn) == 40, "the batches of an epoch"
    skip_to(algorithm, 3)
    assert torch.equal(next(iter(algorithm.loader_dict["train_lb"]))["idx_lb"], drawn[24:32])
