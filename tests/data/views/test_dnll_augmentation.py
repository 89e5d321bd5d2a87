"""The views of DNLL's experiments."""

from __future__ import annotations

import pickle

import pytest
import torch

from usb_negsamp.data import HorizontalShift, color_jitter, horizontal_shift, noise
from usb_negsamp.errors import ConfigError
from usb_negsamp.testing import build_tiny


def test_a_shift_is_sideways_and_every_one_comes() -> None:
    row = torch.arange(8.0)
    image = row.expand(3, 5, 8).contiguous()
    # Reflected without repeating the edge.
    expected = {
        tuple(torch.cat((row[1:3].flip(0), row, row[5:7].flip(0)))[left : left + 8].tolist()) for left in range(5)
    }
    found = set()
    for seed in range(60):
        torch.manual_seed(seed)
        view = horizontal_shift()(image)
        assert (view == view[:1, :1]).all(), "every row is moved alike, and none is moved to another"
        found.add(tuple(view[0, 0].tolist()))
    assert found == expected


def test_impossible_shifts_are_refused() -> None:
    with pytest.raises(ConfigError, match="expected at least 0, but got -1"):
        HorizontalShift(-1)
    with pytest.raises(ConfigError, match="too large for an image 2 pixels wide"):
        HorizontalShift(2)(torch.zeros(3, 8, 2))


def test_the_noise_has_its_deviation() -> None:
    torch.manual_seed(0)
    assert noise()(torch.zeros(3, 100, 100)).std().item() == pytest.approx(0.15, rel=0.02)


def test_they_travel_to_workers_of_a_data_loader() -> None:
    for augment in (noise(), horizontal_shift()):
        assert pickle.loads(pickle.dumps(augment)) == augment
    assert pickle.loads(pickle.dumps(color_jitter())).hue is not None


@pytest.mark.parametrize("augmentation", ["identity", "noise", "horizontal_shift", "color_jitter"])
def test_views_of_a_run(augmentation: str, tmp_path) -> None:
    algorithm = build_tiny("dnll", tmp_path, augmentation=augmentation)
    torch.manual_seed(3)
    sample = algorithm.dataset_dict["train_ulb"][5]
    again = algorithm.dataset_dict["train_ulb"][5]
    same_weak = torch.equal(sample["x_ulb_w"], again["x_ulb_w"])
    assert same_weak == (augmentation != "color_jitter"), "the weak view is the image itself"
    views = [algorithm.dataset_dict["train_ulb"][5]["x_ulb_s"] for _ in range(6)]
    assert all(torch.equal(views[0], view) for view in views) == (augmentation == "identity")
    if augmentation == "identity":
        assert torch.equal(sample["x_ulb_w"], views[0])
