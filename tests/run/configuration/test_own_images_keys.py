"""What a user's own pictures decide of the configuration, and what may be asked of them alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from one_line import assert_one_line

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.resolution import Sources, resolve

WriteConfig = Callable[..., str]


@pytest.fixture
def folder(work_dir: Path) -> Path:
    """Three class folders, still empty."""
    for name in ("cat", "dog", "eel"):
        (work_dir / "pictures" / "train" / name).mkdir(parents=True)
    return work_dir / "pictures"


def resolved(file: dict[str, Any], **given: str) -> Any:
    return resolve(Sources("run.yaml", {"dataset": "image_folder", "device": "cpu", **file}, dict(given)))


def test_folders_say_how_many_classes_there_are(folder: Path) -> None:
    run = resolved({"algorithm": "vat_ns3l"}, data_dir=str(folder))
    assert run.args.num_classes == run.mapping["num_classes"] == 3


def test_the_file_or_the_command_line_wins_over_the_folders(folder: Path) -> None:
    assert resolved({"data_dir": str(folder), "num_classes": 5}).args.num_classes == 5
    assert resolved({"data_dir": str(folder)}, num_classes="7").args.num_classes == 7
    assert resolved({"data_dir": "nowhere", "num_classes": 5}).args.num_classes == 5
    assert resolved({"data_dir": str(folder), "seen_classes": 2}).args.num_classes == 2


def test_labels_of_a_file_say_how_many_classes_there_are(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,label\na.png,x\nb.png,y\n")
    assert resolved({"data_dir": "nowhere", "labels_csv": str(folder / "labels.csv")}).args.num_classes == 2


def test_of_two_data_sets_the_labeled_one_says_it(folder: Path) -> None:
    keys = {"labeled_dataset": "image_folder", "labeled_dir": str(folder), "unlabeled_dataset": "digits"}
    run = resolved({**keys, "dataset": "digits"})
    assert (run.args.num_classes, run.args.num_labels) == (3, None)


def test_a_folder_that_is_not_there_is_named_before_anything_else(folder: Path) -> None:
    with pytest.raises(ConfigError, match="no folder nowhere/train; expected nowhere/train/CLASS"):
        resolved({"data_dir": "nowhere", "algorithm": "vat_ns3l", "ns3l_threshold": 0.3})


@pytest.mark.parametrize(
    ("words", "labels", "held_out"), [("all", "all", "auto"), ("ALL", "all", "AUTO"), ("7", 7, "0")]
)
def test_numbers_may_be_words(folder: Path, words: str, labels: int | str, held_out: str) -> None:
    args = resolved({"data_dir": str(folder)}, num_labels=words, validation_size=held_out).args
    assert (args.num_labels, args.validation_size) == (labels, 0 if held_out == "0" else "auto")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (
            {"num_labels": "all"},
            "num_labels: expected a number with dataset digits, but got all, which only image_folder",
        ),
        ({"validation_size": "auto"}, "validation_size: expected a number with dataset digits, but got auto"),
        ({"skip_bad": True}, "skip_bad: expected none with dataset digits, since only image_folder reads it"),
        ({"labels_csv": "a.csv"}, "labels_csv: expected none with dataset digits"),
        ({"lazy_images": True}, "lazy_images: expected none with dataset digits"),
        ({"decoded_dir": "there"}, "decoded_dir: expected none with dataset digits"),
        ({"num_labels": "most"}, "num_labels: expected a whole number above 0, or all, but got 'most'"),
        ({"num_labels": 0}, "num_labels: expected a whole number above 0, or all, but got 0"),
        ({"validation_size": 1.5}, "validation_size: expected a whole number of at least 0, or auto, but got 1.5"),
        ({"validation_size": -1}, "validation_size: expected a whole number of at least 0, or auto, but got -1"),
        ({"num_labels": 41}, "num_labels=41 cannot be shared equally by 10 classes; nearest that can: 40 and 50"),
        (
            {"dataset": "image_folder", "seen_classes": 2, "mismatch_ratio": 0.5, "num_unlabeled": 4, "num_classes": 2}
            | {"num_labels": "all", "include_lb_to_ulb": False},
            "num_labels: expected a multiple of the number of seen classes, but got all",
        ),
        (
            {"labeled_dataset": "image_folder", "unlabeled_dataset": "digits", "labels_csv": "a.csv"},
            "labels_csv: expected none with labels and images from two data sets, but got a.csv",
        ),
        (
            {"dataset": "cifar10", "num_labels": "all"},
            "num_labels: expected a number with dataset cifar10, but got all",
        ),
        (
            {"dataset": "image_folder", "num_classes": 2, "lazy_images": True, "decoded_dir": "there"},
            "decoded_dir: expected none with lazy_images, which decodes each time, but got there",
        ),
    ],
)
def test_other_data_sets_stay_strict(
    keys: dict[str, Any], line: str, write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(["train", "--c", write_config(**keys)], line, work_dir, capsys)


@pytest.mark.parametrize("preset", ["ns3l", "dnll-cnn13", "cl", "oliver"])
def test_presets_take_all_labels(folder: Path, preset: str) -> None:
    algorithm = {"cl": "cl", "dnll-cnn13": "dnll"}.get(preset, "vat_ns3l")
    keys = {"dnll_num_negatives": 1} if algorithm == "dnll" else {}
    run = resolved({"algorithm": algorithm, "preset": preset, "data_dir": str(folder), "num_labels": "all", **keys})
    check(run.args, Process(), run.given)
    assert run.args.num_labels == "all"
