"""The arguments of ``BasicDataset``."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.extra_views import NO_STRONG_VIEW
from usb_negsamp.host.patching import undone

IMAGES = np.zeros((4, 8, 8, 3), dtype=np.uint8)
TARGETS = np.arange(4)


def weak(image: Any) -> torch.Tensor:
    return torch.zeros(3, 8, 8)


def medium(image: Any) -> torch.Tensor:
    return torch.full((3, 8, 8), 2.0)


def strong(image: Any) -> torch.Tensor:
    return torch.ones(3, 8, 8)


def _unlabeled(alg: str, *rest: Any, **kwargs: Any) -> Any:
    return BasicDataset(alg, IMAGES, TARGETS, 4, weak, True, *rest, **kwargs)


def _has_medium() -> bool:
    return "medium_transform" in inspect.signature(BasicDataset.__init__).parameters


def test_host_refuses_the_algorithms_that_need_no_strong_view_and_takes_those_that_do() -> None:
    with undone("dataset_views"):
        with pytest.raises(AssertionError):
            _unlabeled("vat")
        dataset = _unlabeled("fixmatch")
        with pytest.raises(TypeError):
            dataset[0]


@pytest.mark.parametrize("alg", sorted(NO_STRONG_VIEW))
def test_no_strong_transform_is_needed_where_no_strong_view_is_made(alg: str) -> None:
    dataset = _unlabeled(alg)
    assert dataset.strong_transform is None
    assert "idx_ulb" in dataset[1]


@pytest.mark.parametrize("alg", ["fixmatch", "comatch", "remixmatch", "refixmatch"])
def test_strong_transform_is_asked_for_at_once(alg: str) -> None:
    with pytest.raises(ConfigError, match="give strong_transform"):
        _unlabeled(alg)


def test_labeled_and_raw_data_need_none() -> None:
    assert BasicDataset("fixmatch", IMAGES, TARGETS, 4, weak, False)[0]["x_lb"].shape == (3, 8, 8)
    assert BasicDataset("fixmatch", IMAGES, TARGETS, 4, None, True)[0]["x_lb"].shape == (3, 8, 8)


def test_subclass_with_views_of_its_own_may_do_without() -> None:
    class OwnViews(BasicDataset):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return {"idx_ulb": index}

    assert OwnViews("fixmatch", IMAGES, TARGETS, 4, weak, True)[2] == {"idx_ulb": 2}


def test_main_branch_takes_onehot_for_the_strong_transform() -> None:
    if not _has_medium():
        pytest.skip("this host has no medium_transform")
    with undone("dataset_views"):
        dataset = _unlabeled("fixmatch", strong, False)
        with pytest.raises(TypeError):
            dataset[0]


@pytest.mark.parametrize("rest", [(strong, False), (medium, strong, False)])
def test_both_orders_of_positional_arguments_are_understood(rest: tuple[Any, ...]) -> None:
    dataset = _unlabeled("fixmatch", *rest)
    assert dataset.strong_transform is strong
    assert dataset.onehot is False
    assert dataset[0]["x_ulb_s"].mean() == 1
    assert _unlabeled("fixmatch", *rest[:-1], True).onehot is True


def test_keywords_are_understood() -> None:
    dataset = _unlabeled("fixmatch", medium_transform=medium, strong_transform=strong, onehot=True)
    assert dataset.strong_transform is strong
    assert dataset.onehot is True
    if _has_medium():
        assert dataset.medium_transform is medium


def test_evaluation_data_take_empty_transforms_in_both_orders() -> None:
    for rest in ((None, False), (None, None, False)):
        dataset = BasicDataset("fixmatch", IMAGES, TARGETS, 4, weak, False, *rest)
        assert dataset.strong_transform is None
        assert dataset.onehot is False
