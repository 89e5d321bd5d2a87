"""``accelerate_views: device`` on a GPU: the views that the host makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from device_runs import GPU, assert_same, train
from pillow_views import OPERATIONS, assert_pillow_s_pixels, strong_views

from usb_negsamp.host.datasets.on_device.loader import LoaderOnDevice
from usb_negsamp.testing import build_tiny

pytestmark = pytest.mark.gpu

LOADERS = ("train_lb", "train_ulb")


@pytest.mark.parametrize("size", [(32, 32), (33, 20)], ids=str)
def test_every_operation_gives_pillow_s_pixels(size: tuple[int, int]) -> None:
    for operation in OPERATIONS:
        assert_pillow_s_pixels(operation, size, "cuda")


def test_strong_views_are_the_host_s() -> None:
    expected, made = strong_views((32, 32), "cuda")
    assert np.array_equal(made, expected)


@pytest.mark.parametrize("are_kept", [True, False])
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("fixmatch_ns3l", {"horizontal_flip": True}),
        ("vat", {"preprocessing": "gcn_zca", "augmentation": "oliver", "horizontal_flip": True}),
        ("remixmatch", {}),
    ],
)
def test_batches_are_the_host_s(
    name: str, keys: dict[str, Any], are_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not are_kept:
        monkeypatch.setattr("usb_negsamp.host.datasets.on_device.loader.largest_kept", lambda device: 0)
    on_host = build_tiny(name, tmp_path / "host", device="cuda", **keys)
    there = build_tiny(name, tmp_path / "device", device="cuda", accelerate_views="device", **keys)
    for loader in LOADERS:
        found = there.loader_dict[loader]
        assert isinstance(found, LoaderOnDevice)
        for batch, expected in zip(found, on_host.loader_dict[loader], strict=True):
            assert list(batch) == list(expected)
            for entry, value in expected.items():
                assert batch[entry].is_cuda == (entry == "rot_v" or value.ndim == 4)
                assert torch.equal(batch[entry].cpu(), value), entry


@pytest.mark.usefixtures("work_dir")
def test_a_run_ends_as_with_the_host_s_views(rounding: float) -> None:
    one, other = (train("fixmatch_ns3l", where, accelerate_views=where, **GPU) for where in ("host", "device"))
    assert_same(one, other, rounding)
