"""Views that are drawn by keys in the training process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from usb_negsamp.host.datasets import drawn_views as module
from usb_negsamp.host.datasets.drawn_views import drawn_views
from usb_negsamp.host.randomness import keyed_randomness
from usb_negsamp.testing import build_tiny


@pytest.fixture
def datasets(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = build_tiny("fixmatch", tmp_path, crop_ratio=0.875).dataset_dict
    return found


def test_a_view_is_what_the_transform_makes_from_generators_at_its_key(datasets: dict[str, Any]) -> None:
    validation, transform = datasets["eval"], datasets["train_lb"].transform
    before = torch.get_rng_state()
    views = drawn_views(validation, transform, [5, 2, 5], [11, 12, 13])
    assert torch.equal(torch.get_rng_state(), before)
    for view, index, key in zip(views, (5, 2, 5), (11, 12, 13), strict=True):
        with keyed_randomness(key):
            weak = transform(Image.fromarray(validation.data[index]))
        assert torch.equal(view, weak)
    assert not torch.equal(views[0], views[2])


def test_images_and_transforms_that_are_not_known_are_drawn_the_same(
    datasets: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    validation, transform = datasets["eval"], datasets["train_lb"].transform
    at_once = drawn_views(validation, transform, [0, 1, 7], [3, 4, 5])
    monkeypatch.setattr(module, "is_of_host", lambda dataset: False)
    assert torch.equal(drawn_views(validation, transform, [0, 1, 7], [3, 4, 5]), at_once)
