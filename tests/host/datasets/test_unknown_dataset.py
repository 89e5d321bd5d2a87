"""Names of data sets, and data that cannot be had."""

from __future__ import annotations

import hashlib
from argparse import Namespace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import numpy as np
import pytest
import semilearn.datasets
from host_media import make_texts
from semilearn.core.utils import get_dataset
from semilearn.datasets import utils
from semilearn.datasets.cv_datasets import food101 as food101_module

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.build import offer_sources
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict
from usb_negsamp.host.datasets.registry import EXTRA_DATASETS, HOST_DATASETS, known_names
from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs import unknown_dataset
from usb_negsamp.host.repairs.unknown_dataset import DOWNLOADED

GETTERS = [name for name in vars(semilearn.datasets) if name.startswith("get_")]
ARGS = Namespace(seed=0)


@pytest.fixture(autouse=True)
def nothing_added_by_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the host's data sets and Food-101, unchanged."""
    monkeypatch.setattr(unknown_dataset, "EXTRA_DATASETS", {"food101": EXTRA_DATASETS["food101"]})


def _load(dataset: str, args: Namespace = ARGS, data_dir: str = "data") -> Any:
    # Through the module, since undone() changes what the name there means.
    return semilearn.core.utils.get_dataset(args, "fixmatch", dataset, 40, 10, data_dir, True)


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def getter(*args: Any, **kwargs: Any) -> None:
        raise error

    for name in GETTERS:
        monkeypatch.setattr(semilearn.datasets, name, getter)


def test_host_returns_none_for_an_unknown_name() -> None:
    with undone("unknown_dataset"):
        assert _load("cifar11") is None
        assert _load("food101") is None


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown dataset 'cifar11'; did you mean 'cifar1"):
        _load("cifar11")


def test_every_module_of_the_host_has_the_same_function() -> None:
    from semilearn.core import algorithmbase
    from semilearn.imb_algorithms.crest import crest

    assert get_dataset is semilearn.get_dataset is algorithmbase.get_dataset is crest.get_dataset


@pytest.mark.parametrize("name", sorted({"food101", *HOST_DATASETS}.intersection(known_names())))
def test_known_name_reaches_a_loader(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reached(Exception):
        pass

    _fail_with(monkeypatch, Reached())
    with pytest.raises(Reached):
        _load(name)


def test_nearly_all_names_are_known_to_this_host() -> None:
    assert set(HOST_DATASETS) - set(known_names()) <= {"semi_inat"}
    assert set(known_names()) >= DOWNLOADED


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route"),
        HTTPError("http://x", 404, "Not Found", None, None),  # type: ignore[arg-type]
        ConnectionResetError("reset"),
        TimeoutError("timed out"),
        RuntimeError("File not found or corrupted."),
        RuntimeError("Dataset not found or corrupted. You can use download=True to download it"),
        FileNotFoundError(2, "No such file", "train.pkl"),
    ],
)
def test_failed_download_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _fail_with(monkeypatch, error)
    with undone("unknown_dataset"), pytest.raises(type(error)):
        _load("cifar10", data_dir=str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        _load("cifar10", data_dir=str(tmp_path))
    message = str(caught.value)
    assert f"data set 'cifar10' is not complete in {tmp_path / 'cifar10'} and the download failed" in message
    assert "\n" not in message


def test_data_that_the_host_never_downloads_are_said_to_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(monkeypatch, FileNotFoundError("train"))
    with pytest.raises(ConfigError, match="the host does not download it"):
        _load("imagenet")


@pytest.mark.parametrize(
    ("name", "folder"),
    [("semi_aves", "semi_fgvc"), ("aclImdb", "aclImdb"), ("tissuemnist", "medmnist/tissuemnist"), ("esc50", "esc50")],
)
def test_data_are_said_to_be_absent_where_the_host_looks_for_them(
    name: str, folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _fail_with(monkeypatch, FileNotFoundError("train"))
    with pytest.raises(ConfigError, match=f"is not complete in {tmp_path / folder} and"):
        _load(name, data_dir=str(tmp_path))


def test_other_errors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(monkeypatch, RuntimeError("CUDA error"))
    with pytest.raises(RuntimeError, match="CUDA error"):
        _load("cifar10")


@pytest.mark.parametrize("num_classes", [3, 6])
def test_another_number_of_classes_than_the_hosts_own_loader_finds_is_one_line(
    num_classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the host writes statistics where it is
    make_texts(tmp_path / "ag_news", num_classes=4)
    args = Namespace(dataset="ag_news", num_labels=12, ulb_num_labels=None, lb_imb_ratio=1, ulb_imb_ratio=1, seed=0)
    vars(args).update(save_dir=str(tmp_path), save_name="run")

    def load(classes: int) -> Any:
        return semilearn.core.utils.get_dataset(args, "fixmatch", "ag_news", 12, classes, str(tmp_path), True)

    with pytest.raises(ConfigError, match=f"^num_classes: expected 4 for dataset ag_news, but got {num_classes}$"):
        load(num_classes)
    assert len(load(4)["train_lb"]) == 12


@pytest.mark.parametrize(("dataset", "highest"), [("mine", 9), ("cifar100", 4)])
def test_a_label_that_the_network_does_not_have_is_named(
    dataset: str, highest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a data set's classes is enough for as small a network: some train on a part of ImageNet."""
    parts = {"train_lb": Namespace(targets=[0, 1]), "eval": Namespace(targets=np.arange(highest + 1)), "test": None}
    monkeypatch.setattr(unknown_dataset, "EXTRA_DATASETS", {dataset: lambda *asked: parts})

    def load(num_classes: int) -> Any:
        return semilearn.core.utils.get_dataset(ARGS, "fixmatch", dataset, 40, num_classes, "data", True)

    assert load(highest + 1)["train_lb"] is parts["train_lb"]
    with pytest.raises(ConfigError, match=r"^num_classes: expected .* but got"):
        load(highest)


def test_food101_is_wired(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Food101:
        def __init__(self, root: str, split: str, download: bool) -> None:
            self._image_files = [tmp_path / f"{split}{number}.jpg" for number in range(20)]
            self._labels = [number % 2 for number in range(20)]

    monkeypatch.setattr(food101_module.torchvision.datasets, "Food101", Food101)
    args = Namespace(
        dataset="food101",
        num_labels=4,
        ulb_num_labels=None,
        lb_imb_ratio=1,
        ulb_imb_ratio=1,
        seed=0,
        img_size=32,
        crop_ratio=0.875,
        save_dir=str(tmp_path),
        save_name="run",
    )
    np.random.seed(0)
    loaded = get_dataset(args, "fixmatch", "food101", 4, 2, str(tmp_path), True)
    assert {name: len(part) for name, part in loaded.items() if part is not None} == {
        "train_lb": 4,
        "train_ulb": 20,
        "eval": 20,
    }
    assert loaded["test"] is None


def test_our_own_data_sets_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def ours(*args: Any) -> dict[str, Any]:
        seen.append(args)
        return {"train_lb": "ours"}

    monkeypatch.setattr(unknown_dataset, "EXTRA_DATASETS", {"cifar10": ours})
    loaded = _load("cifar10")
    assert loaded == {"train_lb": "ours"}
    assert isinstance(loaded, DatasetDict)
    assert loaded.built == BuiltData(num_labels=40), "nothing is known of data that were read and split elsewhere"
    assert seen == [(ARGS, "fixmatch", "cifar10", 40, 10, "data", True)]


def test_what_is_recorded_of_our_own_data_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    built = BuiltData(303, data_digest="d" * 64, split_digest="s" * 64)
    own = {"cifar10": lambda *args: DatasetDict({"train_lb": "ours"}, built)}
    monkeypatch.setattr(unknown_dataset, "EXTRA_DATASETS", own)
    assert _load("cifar10").built is built


def test_the_split_that_the_hosts_own_loader_draws_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    args = Namespace(dataset="cifar10", num_labels=6, lb_imb_ratio=1, ulb_imb_ratio=1, seed=0, split_seed=3)
    targets = np.arange(60) % 3

    def getter(args: Namespace, *names: Any, **options: Any) -> tuple[Any, Any, Any]:
        labeled, unlabeled = utils.sample_labeled_unlabeled_data(args, targets, targets, 3, args.num_labels)
        return labeled, unlabeled, targets

    monkeypatch.setattr(semilearn.datasets, "get_cifar", getter)
    loaded = _load("cifar10", args=args)
    indices = np.concatenate([loaded["train_lb"], loaded["train_ulb"]])
    assert loaded.built.split_digest == hashlib.sha256(indices.astype("<i8").tobytes()).hexdigest()
    assert vars(args).keys() == {"dataset", "num_labels", "lb_imb_ratio", "ulb_imb_ratio", "seed", "split_seed"}


def test_loaders_given_by_the_user_need_no_known_name() -> None:
    assert _load("mnist", args=Namespace(own_loaders=True)) is None


def test_a_host_that_lists_its_data_sets_lists_ours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ["cifar10"]
    monkeypatch.setattr(semilearn.core.utils.build, "DATASETS", listed, raising=False)
    offer_sources()
    offer_sources()
    assert {"digits", "food101"} <= set(listed)
    assert len(set(listed)) == len(listed)
