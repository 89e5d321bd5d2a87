"""Labels from one data set, unlabeled images from another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image

from usb_negsamp import ConfigError
from usb_negsamp.data import ImageArrays, ImageSource
from usb_negsamp.data.sources import registry as sources
from usb_negsamp.testing import TINY_RUN, build_tiny, parameters_of, tiny_arguments, train_tiny

DIGITS = sources.load_source("digits", data_dir=".", img_size=16)
TO_DIGITS: dict[str, Any] = {"labeled_dataset": "usps", "unlabeled_dataset": "digits", "validation_size": 0}


def pictures(root: Path, classes: tuple[str, ...], number: int, gray: int) -> None:
    for label, name in enumerate(classes):
        folder = root / name
        folder.mkdir(parents=True)
        for index in range(number):
            Image.new("RGB", (12, 10), (gray, 40 * label, index)).save(folder / f"{index}.png")


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Any]:
    """Drawings with labels, photographs without; the keys that name them."""
    classes = ("ant", "bee")
    for part, number in (("train", 10), ("test", 4)):
        pictures(tmp_path / "drawings" / part, classes, number, 255)
        pictures(tmp_path / "photographs" / part, classes, number + 3, 90)
    return {
        "dataset": "image_folder",
        "labeled_dir": str(tmp_path / "drawings"),
        "unlabeled_dir": str(tmp_path / "photographs"),
        "num_classes": 2,
        "num_labels": 20,
        "validation_size": 0,
        "batch_size": 4,
    }


def without_num_labels(algorithm: str, folder: Path, **keys: Any) -> Any:
    """As ``build_tiny``, where the user gives no number of labels."""
    with mock.patch.dict(TINY_RUN):
        del TINY_RUN["num_labels"]
        return build_tiny(algorithm, folder, **keys)


@pytest.fixture
def usps(monkeypatch: pytest.MonkeyPatch) -> ImageSource:
    """Something of the shape of USPS: digits, inverted, of unequal classes."""
    images, targets = 255 - DIGITS.train.images[:303], DIGITS.train.targets[:303]
    source = dataclasses.replace(DIGITS, name="usps", train=ImageArrays(images, targets), mean=(0.7,) * 3)
    monkeypatch.setitem(sources.SOURCES, "usps", lambda data_dir, img_size: source)
    return source


def test_all_labels_come_from_the_first_and_all_else_from_the_second(tmp_path: Path, usps: ImageSource) -> None:
    built = without_num_labels("fixmatch", tmp_path, **TO_DIGITS)
    parts = built.dataset_dict
    assert np.array_equal(parts["train_lb"].data, usps.train.images)
    assert np.array_equal(parts["train_lb"].targets, usps.train.targets)
    assert np.array_equal(parts["train_ulb"].data, DIGITS.train.images)
    assert (parts["train_ulb"].targets == -1).all()
    assert usps.test is not None
    assert np.array_equal(parts["eval"].data, usps.test.images), "no label of the second chooses the model"
    assert DIGITS.test is not None
    assert np.array_equal(parts["test"].data, DIGITS.test.images)
    assert parts.built.num_labels == 303
    assert built.args.num_labels == 303, "by which the host's trackers name the run"
    assert built.args.dataset == "digits"
    assert parts.built.split.lines[0].startswith(
        "domain adaptation from usps to digits: 303 labeled and 1442 unlabeled images of 10 classes: 0, 1, 2, 3"
    )


def test_labels_and_validation_images_can_be_counted(tmp_path: Path, usps: ImageSource) -> None:
    built = build_tiny("vat", tmp_path, **{**TO_DIGITS, "validation_size": 53})
    parts = built.dataset_dict
    assert np.bincount(parts["train_lb"].targets).tolist() == [4] * 10
    assert len(parts["eval"]) == 53
    held_out = parts.built.split.validation
    assert np.array_equal(parts["eval"].data, usps.train.images[held_out])
    assert not np.isin(held_out, parts.built.split.labeled).any()
    assert (
        len(without_num_labels("vat", tmp_path, **{**TO_DIGITS, "validation_size": 53}).dataset_dict["train_lb"]) == 250
    )


def test_statistics_are_those_of_the_labeled_source(tmp_path: Path, usps: ImageSource) -> None:
    parts = build_tiny("vat", tmp_path, **TO_DIGITS).dataset_dict
    black = Image.new("RGB", (16, 16))
    assert parts["test"].transform(black)[0, 0, 0].item() == pytest.approx(-0.7 / usps.std[0])
    halves = build_tiny("vat", tmp_path, preprocessing="minus_one_to_one", **TO_DIGITS).dataset_dict
    assert (halves["test"].transform(black) == -1).all()


def test_the_labels_of_the_second_do_not_reach_the_training(
    tmp_path: Path, usps: ImageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = train_tiny("simmatch", tmp_path / "honest", **TO_DIGITS)
    false = dataclasses.replace(DIGITS, train=ImageArrays(DIGITS.train.images, (DIGITS.train.targets + 1) % 10))
    monkeypatch.setitem(sources.SOURCES, "digits", lambda data_dir, img_size: false)
    misled = train_tiny("simmatch", tmp_path / "misled", **TO_DIGITS)
    expected, found = parameters_of(honest), parameters_of(misled)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.parametrize("algorithm", ["supervised", "fullysupervised", "mixmatch", "comatch", "vat_ns3l"])
def test_algorithms_train_on_two_folders_of_pictures(tmp_path: Path, folders: dict[str, Any], algorithm: str) -> None:
    trained = train_tiny(algorithm, tmp_path / "runs", **folders)
    sizes = {name: len(part) for name, part in trained.dataset_dict.items()}
    assert sizes == {"train_lb": 20, "train_ulb": 26, "eval": 8, "test": 14}
    assert trained.it == 10


def test_the_split_tells_the_two_data_sets_apart(tmp_path: Path, usps: ImageSource) -> None:
    swapped = {**TO_DIGITS, "labeled_dataset": "digits", "unlabeled_dataset": "usps"}
    there = build_tiny("vat", tmp_path, **TO_DIGITS).dataset_dict.built
    again = build_tiny("fixmatch", tmp_path, **TO_DIGITS).dataset_dict.built
    back = build_tiny("vat", tmp_path, **swapped).dataset_dict.built
    assert there.split_digest == again.split_digest != back.split_digest
    assert there.data_digest != back.data_digest


def test_one_name_and_dataset_for_the_other(tmp_path: Path, usps: ImageSource) -> None:
    keys = {"dataset": "digits", "labeled_dataset": "usps", "validation_size": 0}
    assert len(build_tiny("vat", tmp_path, **keys).dataset_dict["train_ulb"]) == 1442
    keys = {"dataset": "digits", "unlabeled_dataset": "usps", "validation_size": 0}
    assert len(build_tiny("vat", tmp_path, **keys).dataset_dict["train_ulb"]) == 303


def test_mirrored_only_where_both_allow_it(tmp_path: Path, usps: ImageSource, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored = dataclasses.replace(usps, horizontal_flip=True)
    monkeypatch.setitem(sources.SOURCES, "usps", lambda data_dir, img_size: mirrored)
    assert "RandomHorizontalFlip" not in str(
        build_tiny("vat", tmp_path, **TO_DIGITS).dataset_dict["train_lb"].transform
    )
    built = build_tiny("vat", tmp_path, horizontal_flip=True, **TO_DIGITS)
    assert "RandomHorizontalFlip" in str(built.dataset_dict["train_lb"].transform)


def test_unequal_classes_are_refused_by_number_and_by_name(tmp_path: Path, folders: dict[str, Any]) -> None:
    pictures(tmp_path / "photographs" / "train", ("cow",), 4, 90)
    with pytest.raises(ConfigError, match=": expected the same classes, but got 2 and 3"):
        build_tiny("vat", tmp_path / "runs", **folders)
    (tmp_path / "photographs/train/bee").rename(tmp_path / "other")
    (tmp_path / "photographs/test/bee").rename(tmp_path / "photographs/test/cow")
    with pytest.raises(ConfigError, match="class 1 is 'bee' in the one and 'cow' in the other"):
        build_tiny("vat", tmp_path / "runs", **folders)


def test_classes_that_are_numbers_go_with_any_names(tmp_path: Path, folders: dict[str, Any]) -> None:
    for part in ("train", "test"):
        for number, name in enumerate(("ant", "bee")):
            (tmp_path / "drawings" / part / name).rename(tmp_path / "drawings" / part / str(number))
    parts = build_tiny("vat", tmp_path / "runs", **folders).dataset_dict
    assert len(parts["test"]) == 14


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labeled_dataset": "digits"}, "expected two data sets, but got 'digits'"),
        ({"num_classes": 9}, "num_classes: expected 10, the classes of labeled_dataset 'usps', but got 9"),
        ({"num_labels": 45}, "cannot be shared equally by 10 classes"),
        ({"lb_imb_ratio": 5}, "expected 1 with labeled_dataset and unlabeled_dataset"),
        ({"labeled_dataset": "upss"}, "unknown data source 'upss'; did you mean 'usps'"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, usps: ImageSource, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        build_tiny("vat", tmp_path, **{**TO_DIGITS, **changes})
    assert "\n" not in str(raised.value)


def test_images_to_choose_and_to_test_on_are_needed(
    tmp_path: Path, usps: ImageSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sources.SOURCES, "usps", lambda data_dir, img_size: dataclasses.replace(usps, test=None))
    with pytest.raises(ConfigError, match="'usps': expected test images or validation_size above 0"):
        build_tiny("vat", tmp_path, **TO_DIGITS)
    assert len(build_tiny("vat", tmp_path, **{**TO_DIGITS, "validation_size": 30}).dataset_dict["eval"]) == 30
    with pytest.raises(ConfigError, match="'usps' has no test images"):
        build_tiny("vat", tmp_path, **{**TO_DIGITS, "labeled_dataset": "digits", "unlabeled_dataset": "usps"})


def test_the_name_of_the_run_names_both(tmp_path: Path) -> None:
    assert tiny_arguments("vat", tmp_path, **{**TO_DIGITS, "dataset": "digits"}).save_name == "vat_usps_digits_40_0"
