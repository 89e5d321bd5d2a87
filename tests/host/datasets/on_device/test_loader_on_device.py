"""Batches whose views are made on the device: those that the host makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from usb_negsamp.host.datasets.on_device import stored_images
from usb_negsamp.host.datasets.on_device.loader import LoaderOnDevice
from usb_negsamp.host.datasets.on_device.stored_images import StoredImages, is_kept
from usb_negsamp.host.datasets.seeded_loading import skip_to
from usb_negsamp.testing import build_tiny

OLIVER = {"augmentation": "oliver", "horizontal_flip": True}
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "weak and strong": ("fixmatch_ns3l", {"horizontal_flip": True}),
    "weak": ("vat", {"horizontal_flip": True}),
    "extra views": ("vat_ns3l", {"ns3l_passes": 2}),
    "several weak views": ("mixmatch", {"preprocessing": "minus_one_to_one", "augmentation": "mixmatch"}),
    "two strong views": ("comatch", {}),
    "a strong view of labeled images": ("defixmatch", {}),
    "views for two networks": ("fixmatch_dnll", {}),
    "noise": ("pimodel", OLIVER),
    "whitened images": ("vat", {"preprocessing": "gcn_zca", **OLIVER}),
    "horizontal shifts": ("dnll", {"augmentation": "horizontal_shift"}),
    "noise over the image itself": ("dnll", {"augmentation": "noise"}),
    "the image itself": ("dnll", {"augmentation": "identity"}),
    "no unlabeled view": ("fullysupervised", {}),
    "rotated images": ("crmatch", {}),
    "a rotated view": ("remixmatch_ns3l", {"ns3l_passes": 2}),
}


def loaders(algorithm: Any) -> dict[str, DataLoader[Any]]:
    found = {name: loader for name, loader in algorithm.loader_dict.items() if name.startswith("train")}
    return {name: loader for name, loader in found.items() if isinstance(loader, DataLoader)}


def entries(batch: Any) -> dict[str, torch.Tensor]:
    return batch if isinstance(batch, dict) else {str(place): value for place, value in enumerate(batch)}


def check_equal(found: Any, expected: Any) -> None:
    found, expected = entries(found), entries(expected)
    assert list(found) == list(expected)
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        assert torch.equal(found[name].cpu(), value), name
        assert found[name].is_contiguous()


@pytest.mark.parametrize("run", RUNS)
def test_the_batches_are_those_of_the_host(tmp_path: Any, run: str) -> None:
    name, changes = RUNS[run]
    on_host = loaders(build_tiny(name, tmp_path / "host", **changes))
    there = loaders(build_tiny(name, tmp_path / "device", accelerate_views="device", **changes))
    assert list(there) == list(on_host)
    for loader, expected in on_host.items():
        assert isinstance(there[loader], LoaderOnDevice)
        batches = list(there[loader])
        assert len(batches) == len(expected)
        for one, other in zip(batches, expected, strict=True):
            check_equal(one, other)


def test_images_that_are_kept_give_the_same(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_by_batch = loaders(build_tiny("fixmatch", tmp_path / "one", accelerate_views="device"))["train_ulb"]
    monkeypatch.setattr("usb_negsamp.host.datasets.on_device.loader.largest_kept", lambda device: 10**9)
    kept = loaders(build_tiny("fixmatch", tmp_path / "two", accelerate_views="device"))["train_ulb"]
    requests = [next(iter(DataLoader.__iter__(loader))) for loader in (kept, batch_by_batch)]
    assert [request.images is None for request in requests] == [True, False]
    for one, other in zip(kept, batch_by_batch, strict=True):
        check_equal(one, other)


def test_workers_draw_the_same(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Batches of this size are made, and drawn, in the process itself.
    expected = list(loaders(build_tiny("fixmatch", tmp_path / "none", accelerate_views="device"))["train_ulb"])
    monkeypatch.setattr("usb_negsamp.host.datasets.seeded_loading.SECONDS_IN_THE_PROCESS", 0.0)
    monkeypatch.setattr("usb_negsamp.host.options.accelerate_views.SECONDS_IN_THE_PROCESS", 0.0)
    there = loaders(build_tiny("fixmatch", tmp_path / "two", accelerate_views="device", num_workers=1))["train_ulb"]
    assert there.num_workers > 0
    for _ in range(2):
        for one, other in zip(there, expected, strict=True):
            check_equal(one, other)


def test_batches_go_on_where_a_run_stopped(tmp_path: Any) -> None:
    algorithm = build_tiny("fixmatch_ns3l", tmp_path, accelerate_views="device")
    whole = list(algorithm.loader_dict["train_ulb"])
    skip_to(algorithm, 3)
    rest = list(algorithm.loader_dict["train_ulb"])
    assert len(rest) == len(whole) - 3
    for one, other in zip(rest, whole[3:], strict=True):
        check_equal(one, other)


def test_views_of_a_batch_do_not_share_memory(tmp_path: Any) -> None:
    algorithm = build_tiny("dnll", tmp_path, accelerate_views="device", augmentation="identity")
    batch = next(iter(algorithm.loader_dict["train_ulb"]))
    views = [value for value in batch.values() if value.ndim == 4]
    assert len(views) > 1
    assert len({view.data_ptr() for view in views}) == len(views)


def test_what_an_algorithm_changes_in_its_data_set_counts(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usb_negsamp.host.datasets.on_device.loader.largest_kept", lambda device: 10**9)
    algorithm = build_tiny("fixmatch", tmp_path, accelerate_views="device")
    loader = algorithm.loader_dict["train_ulb"]
    first = next(iter(loader))["x_ulb_w"]
    of_host = loader.dataset.dataset
    of_host.data = 255 - np.asarray(of_host.data)
    assert not torch.equal(next(iter(loader))["x_ulb_w"], first)
    of_host.data = 255 - of_host.data
    assert torch.equal(next(iter(loader))["x_ulb_w"], first)


def test_stored_images_are_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_images, "IMAGES_AT_ONCE", 3)
    images = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), dtype=np.uint8)
    images.flags.writeable = False
    stored = StoredImages(torch.device("cpu"))
    copied = stored.of(images)
    assert np.array_equal(copied.numpy(), images)
    assert stored.of(images) is copied
    tensors = torch.rand(5, 3, 4, 4)
    assert torch.equal(stored.of(tensors), tensors)


def test_only_what_fits_is_kept() -> None:
    images = np.zeros((10, 4, 4, 3), dtype=np.uint8)
    assert is_kept(images, 480)
    assert not is_kept(images, 479)
    assert stored_images.largest_kept(torch.device("cpu")) == 0
