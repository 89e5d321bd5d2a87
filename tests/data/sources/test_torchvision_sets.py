"""torchvision's data sets as sources, from tiny files in torchvision's own formats; nothing is downloaded."""

from __future__ import annotations

import bz2
import socket
import struct
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host_images import pixels, write_cifar, write_stl10, write_svhn
from torchvision import datasets

from usb_negsamp import ConfigError
from usb_negsamp.data import HOST_SOURCES, SOURCES, load_source, stl10_folds


@pytest.fixture(autouse=True)
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No network; the addresses that were asked for."""
    asked: list[Any] = []

    def refuse(request: Any, *_: Any, **__: Any) -> Any:
        asked.append(getattr(request, "full_url", request))
        raise urllib.error.URLError(socket.gaierror(-3, "no name service"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    return asked


@pytest.fixture
def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files for complete where they exist, whatever their checksum."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5: Path(path).is_file())
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda path, md5: Path(path).is_file())
    monkeypatch.setattr("torchvision.datasets.stl10.check_integrity", lambda path, md5: Path(path).is_file())


def write_idx(file: Path, array: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    file.write_bytes(header + array.tobytes())


def write_mnist(root: Path, folder: str) -> np.ndarray:
    train = pixels(20, 28, 28)
    for part, images in (("train", train), ("t10k", pixels(10, 28, 28))):
        write_idx(root / folder / "raw" / f"{part}-images-idx3-ubyte", images)
        write_idx(root / folder / "raw" / f"{part}-labels-idx1-ubyte", (np.arange(len(images)) % 10).astype(np.uint8))
    return train


def write_usps(root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    for name, number in (("usps.bz2", 20), ("usps.t.bz2", 10)):
        lines = [
            " ".join([str(i % 10 + 1), *(f"{pixel + 1}:{-1 + 2 * (i % 2)}" for pixel in range(256))]) + " \n"
            for i in range(number)
        ]
        (root / name).write_bytes(bz2.compress("".join(lines).encode()))


@pytest.mark.parametrize(
    ("name", "folder", "flip"), [("mnist", "MNIST", False), ("fashion_mnist", "FashionMNIST", True)]
)
def test_grey_images_on_disk_are_read_without_a_network(
    tmp_path: Path, requests: list[Any], name: str, folder: str, flip: bool
) -> None:
    images = write_mnist(tmp_path / name, folder)
    source = load_source(name, data_dir=tmp_path, img_size=28)
    assert source.train.images.shape == (20, 28, 28, 3)
    assert source.train.images.dtype == np.uint8
    assert all(np.array_equal(np.asarray(source.train.images)[..., channel], images) for channel in range(3))
    assert source.train.targets.tolist() == [*range(10), *range(10)]
    assert source.train.targets.dtype == np.int64
    assert source.test is not None
    assert len(source.test) == 10
    assert source.validation is None
    assert source.unlabeled is None
    assert source.horizontal_flip is flip
    assert len(source.classes) == 10
    assert source.mean[0] == pytest.approx((images / 255).mean())
    assert source.std[0] == pytest.approx((images / 255).std())
    assert requests == []


def test_data_that_torchvision_put_into_the_data_folder_itself_are_found(tmp_path: Path, requests: list[Any]) -> None:
    write_mnist(tmp_path, "MNIST")
    assert len(load_source("mnist", data_dir=tmp_path, img_size=28).train) == 20
    assert requests == []


def test_usps_is_enlarged_and_its_labels_start_at_zero(tmp_path: Path) -> None:
    write_usps(tmp_path / "usps")
    source = load_source("usps", data_dir=tmp_path, img_size=28)
    assert source.train.images.shape == (20, 28, 28, 3)
    assert source.train.targets.tolist() == [*range(10), *range(10)]
    assert source.train.images[0].max() == 0
    assert source.train.images[1].min() == 255


@pytest.mark.parametrize(("name", "number"), [("cifar10", 100), ("cifar100", 200)])
def test_cifar_keeps_pixels_names_and_the_normalization_of_the_host(
    tmp_path: Path, unchecked: None, requests: list[Any], name: str, number: int
) -> None:
    images = write_cifar(tmp_path / name, fine=name == "cifar100")
    source = load_source(name, data_dir=tmp_path, img_size=32)
    assert np.array_equal(source.train.images, images.transpose(0, 2, 3, 1))
    assert len(source.train) == number
    assert source.classes[1] == "class 1"
    assert source.horizontal_flip
    assert 0.4 < source.mean[2] < 0.45
    assert requests == []


def test_svhn_has_no_extra_part_counts_zero_as_zero_and_is_not_mirrored(tmp_path: Path, unchecked: None) -> None:
    images = write_svhn(tmp_path / "svhn")
    source = load_source("svhn", data_dir=tmp_path, img_size=32)
    assert np.array_equal(source.train.images, images.transpose(3, 0, 1, 2))
    assert source.train.targets.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0] * 2
    assert not source.horizontal_flip


def test_stl10_brings_its_unlabeled_pool_and_its_folds(tmp_path: Path, unchecked: None) -> None:
    images = write_stl10(tmp_path / "stl10")
    source = load_source("stl10", data_dir=tmp_path, img_size=96)
    assert np.array_equal(source.train.images, images.transpose(0, 3, 2, 1))
    assert source.train.targets.tolist() == list(range(10))
    assert source.unlabeled is not None
    assert source.unlabeled.targets.tolist() == [-1] * 7
    assert source.classes[0] == "airplane"
    for folds in (source.folds, stl10_folds(tmp_path)):
        assert [fold.tolist() for fold in folds] == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]


def test_color_images_are_resized(tmp_path: Path, unchecked: None) -> None:
    write_stl10(tmp_path / "stl10")
    assert load_source("stl10", data_dir=tmp_path, img_size=32).train.images.shape == (10, 32, 32, 3)


@pytest.mark.parametrize("name", sorted({"mnist", "fashion_mnist", "usps", *HOST_SOURCES}))
def test_data_that_can_neither_be_found_nor_downloaded_are_one_line(
    tmp_path: Path, requests: list[Any], name: str
) -> None:
    with pytest.raises(ConfigError, match="its download failed") as caught:
        load_source(name, data_dir=tmp_path, img_size=32)
    message = str(caught.value)
    assert "\n" not in message
    assert repr(name) in message
    assert str(tmp_path / name) in message
    assert requests
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_file_is_one_line_that_says_where_it_lies(tmp_path: Path) -> None:
    write_mnist(tmp_path / "mnist", "MNIST")
    file = tmp_path / "mnist" / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_source("mnist", data_dir=tmp_path, img_size=28)
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "mnist") in str(caught.value)


def test_a_download_that_broke_off_is_one_line(tmp_path: Path) -> None:
    write_usps(tmp_path / "usps")
    file = tmp_path / "usps" / "usps.bz2"
    file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ConfigError, match=r"'usps'.*cannot be read \(EOFError"):
        load_source("usps", data_dir=tmp_path, img_size=16)


def test_corrupt_files_are_downloaded_again(tmp_path: Path, requests: list[Any]) -> None:
    write_cifar(tmp_path / "cifar10", fine=False)
    with pytest.raises(ConfigError, match="its download failed"):
        load_source("cifar10", data_dir=tmp_path, img_size=32)
    assert datasets.CIFAR10.url in requests


def test_sets_that_the_host_loads_itself_are_kept_apart() -> None:
    assert sorted(HOST_SOURCES) == ["cifar10", "cifar100", "stl10", "svhn"]
    assert not set(HOST_SOURCES) & set(SOURCES)
    with pytest.raises(ConfigError, match="did you mean 'cifar100'"):
        load_source("cifar-100", data_dir=".", img_size=32)
