"""Runs on a user's own pictures: by what is said of them, what is asked of them, and however they are read."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from usb_negsamp.run.cli.main import main

WriteConfig = Callable[..., str]
KEYS: dict[str, Any] = {
    "algorithm": "fixmatch_ns3l",
    "dataset": "image_folder",
    "data_dir": "pictures",
    "num_labels": "all",
    "validation_size": "auto",
    "img_size": 16,
    "batch_size": 4,
    "num_train_iter": 8,
    "num_eval_iter": 4,
    "num_log_iter": 2,
    "epoch": 1,
    "curve": False,
}


@pytest.fixture
def pictures(work_dir: Path) -> Path:
    """Three classes of eight random pictures each, and ten without a label."""
    random = np.random.default_rng(0)
    numbers = {"train/cat": 8, "train/dog": 8, "train/eel": 8, "unlabeled": 10}
    for part, number in numbers.items():
        (work_dir / "pictures" / part).mkdir(parents=True)
        for index in range(number):
            pixels = random.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(work_dir / "pictures" / part / f"{index}.png")
    return work_dir / "pictures"


@pytest.fixture
def run(write_config: WriteConfig, work_dir: Path) -> Callable[..., int]:
    """Train on the pictures without a word on the number of their classes."""

    def train(*words: str, **changes: Any) -> int:
        name = write_config(**{**KEYS, **changes})
        lines = (work_dir / name).read_text().splitlines()
        (work_dir / name).write_text("\n".join(line for line in lines if not line.startswith("num_classes")))
        return main(["train", "--c", name, *words])

    return train


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def test_folders_decide_what_is_not_given_and_the_manifest_counts_it(
    pictures: Path, run: Callable[..., int], work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    shown = capsys.readouterr()
    assert (
        "19 labeled, 10 unlabeled (and the 19 labeled ones), 5 validation and 0 test images of 3 classes" in shown.err
    )
    assert "; the data have no test images" in shown.out
    assert "test accuracy" not in shown.out
    config = manifest_of(work_dir / "runs" / "one")["config"]
    assert [config[key] for key in ("num_classes", "num_labels", "validation_size")] == [3, 19, 5]


def test_the_same_request_goes_on_with_what_was_counted(
    pictures: Path, run: Callable[..., int], work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert run("--resume", num_train_iter=12) == 0
    assert main(["train", "--resume", "runs/one", "--num_train_iter", "16"]) == 0
    assert manifest_of(work_dir / "runs" / "one")["iterations_done"] == 16
    assert main(["eval", "runs/one"]) == 0


def test_lazy_runs_and_those_that_a_folder_keeps_pictures_for_end_with_the_same_bits(
    pictures: Path, run: Callable[..., int], work_dir: Path
) -> None:
    ways = {
        "kept": ("--lazy_images", "false"),
        "lazy": ("--lazy_images", "true"),
        "first": ("--decoded_dir", "decoded/there"),
        "later": ("--decoded_dir", "decoded/there"),
    }
    for name, words in ways.items():
        assert run("--save_name", name, *words, num_labels=7, validation_size=3) == 0
    kept, *others = (torch.load(work_dir / "runs" / name / "latest_model.pth", weights_only=True) for name in ways)
    for other, part in itertools.product(others, ("model", "ema_model", "optimizer")):
        assert equal(kept[part], other[part]), part
    digests = [
        {key: manifest_of(work_dir / "runs" / name)[key] for key in ("data_digest", "split_digest")} for name in ways
    ]
    assert digests == digests[:1] * len(ways)
    log = {name: (work_dir / "runs" / name / "log.txt").read_text() for name in ways}
    assert [name for name in ways if "decoded pictures are those of decoded/there" in log[name]] == ["later"]


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else bool(one == other)


def test_bad_files_are_one_line_or_left_out_and_named_in_the_log(
    pictures: Path, run: Callable[..., int], work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"train/dog/{name}.png" for name in "uvw"] + ["unlabeled/x.png"]
    for name in names:
        (pictures / name).write_text("no picture")
    assert run() == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("usb-negsamp: error: cannot decode 4 files as images: pictures/train/dog/u.png (")
    assert "--skip_bad leaves such files out" in line
    assert not (work_dir / "runs").exists()

    assert run("--skip_bad") == 0
    assert "usb-negsamp: left out: cannot decode 4 files as images" in capsys.readouterr().err
    log = (work_dir / "runs" / "one" / "log.txt").read_text()
    assert all(f"left out: pictures/{name}: " in log for name in names)


def test_labels_of_a_file_train(pictures: Path, run: Callable[..., int], work_dir: Path) -> None:
    rows = [f"{'ab'[index % 2]},train/cat/{index}.png" for index in range(8)]
    (work_dir / "labels.csv").write_text("\n".join(["label,file", *rows]))
    assert run("--labels_csv", "labels.csv") == 0
    split = manifest_of(work_dir / "runs" / "one")["split"]
    assert (split["classes"], split["labeled"], split["validation"]) == (["a", "b"], 6, 2)
    assert split["unlabeled_unknown"] == 8 + 8 + 10


def test_cl_takes_its_own_labels_of_pictures_that_are_not_kept(
    pictures: Path, run: Callable[..., int], work_dir: Path
) -> None:
    changes = {"algorithm": "cl", "cl_rounds": 2, "num_train_iter": 12, "num_eval_iter": 4}
    for name, lazy in (("kept", "false"), ("lazy", "true")):
        assert run("--save_name", name, "--lazy_images", lazy, **changes) == 0
    kept, lazily = (
        torch.load(work_dir / "runs" / name / "latest_model.pth", weights_only=True)["model"]
        for name in ("kept", "lazy")
    )
    assert equal(kept, lazily)
