"""The split of a run is kept, printed and compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.directory import run_files
from usb_negsamp.run.records.split_file import check_same_split, write_split

WriteConfig = Callable[..., str]
OPEN: dict[str, Any] = {
    "num_classes": 6,
    "num_labels": 24,
    "seen_classes": "2,3,4,5,6,7",
    "mismatch_ratio": 0.5,
    "num_unlabeled": 400,
    "validation_size": 100,
    "num_train_iter": 2,
    "num_eval_iter": 2,
    "epoch": 1,
    "img_size": 16,
    "num_workers": 0,
    "curve": False,
}


def test_an_open_set_run_says_keeps_and_defends_its_split(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--c", write_config(**OPEN)]) == 0
    shown = capsys.readouterr().err
    assert "6 of 10 classes seen; 24 labeled, 398 unlabeled (198 of seen and 200 of unseen classes), 60 valid" in shown
    assert "mismatch delta = 0.5025, tau = labeled/unlabeled = 0.0603" in shown
    assert "safe ratio p = 1 - delta (1 - tau) = 0.5278" in shown
    run = work_dir / "runs/one"
    manifest = json.loads((run / "manifest.json").read_text())
    with np.load(run / "split.npz") as saved:
        assert str(saved["digest"]) == manifest["split_digest"]
        assert [len(saved[name]) for name in ("labeled", "unlabeled", "validation")] == [24, 398, 100]
        assert all(saved[name].dtype == np.int64 for name in ("labeled", "unlabeled", "validation"))
    assert manifest["split"]["unlabeled_unseen"] == 200
    assert manifest["split"]["counts"]["labeled"] == [0, 0, 4, 4, 4, 4, 4, 4, 0, 0]
    assert manifest["split"]["safe_ratio"] == pytest.approx(0.5278, abs=1e-4)
    assert manifest["config"]["seen_classes"] == [2, 3, 4, 5, 6, 7]
    before = (run / "split.npz").read_bytes()

    again = ["train", "--c", "run.yaml", "--resume", "--num_train_iter", "4"]
    assert main([*again, "--mismatch_ratio", "0.25"]) == 2
    assert "has mismatch_ratio 0.5 (now 0.25)" in capsys.readouterr().err
    assert (run / "split.npz").read_bytes() == before
    assert main(again) == 0


def test_a_closed_run_keeps_its_split_too(write_config: WriteConfig, work_dir: Path) -> None:
    keys = {key: OPEN[key] for key in ("num_train_iter", "num_eval_iter", "epoch", "img_size", "num_workers", "curve")}
    assert main(["train", "--c", write_config(**keys, save_name="closed")]) == 0
    manifest = json.loads((work_dir / "runs/closed/manifest.json").read_text())
    assert manifest["split"] == {
        "kind": "closed",
        "labeled": 40,
        "unlabeled": 1402,
        "unlabeled_unknown": 0,
        "includes_labeled": True,
        "validation": 0,
        "test": 355,
        "classes": [str(digit) for digit in range(10)],
    }
    with np.load(work_dir / "runs/closed/split.npz") as saved:
        assert str(saved["digest"]) == manifest["split_digest"]


def test_a_run_on_a_folder_of_pictures_says_and_keeps_what_was_read(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    numbers = {"train/cat": 5, "train/dog": 5, "val/cat": 3, "val/dog": 1, "test/dog": 2, "unlabeled": 28}
    for folder, number in numbers.items():
        (work_dir / "pictures" / folder).mkdir(parents=True)
        for index in range(number):
            Image.new("RGB", (16, 16), (9 * index, 0, 0)).save(work_dir / "pictures" / folder / f"{index}.png")
    (work_dir / "pictures/unlabeled/again.png").symlink_to(work_dir / "pictures/train/cat/0.png")
    keys = {key: OPEN[key] for key in ("num_train_iter", "num_eval_iter", "epoch", "img_size", "num_workers", "curve")}
    read = {"dataset": "image_folder", "data_dir": "pictures", "num_classes": 2, "num_labels": 10}
    assert main(["train", "--c", write_config(**keys, **read, include_lb_to_ulb=False)]) == 0
    shown = capsys.readouterr().err.splitlines()
    assert (
        "usb-negsamp: image_folder: 10 labeled, 28 unlabeled, 4 validation and 2 test images of 2 classes: cat, dog"
        in shown
    )
    assert "usb-negsamp: left out of pictures/unlabeled, since their files are counted already: 1 names" in shown
    split = json.loads((work_dir / "runs/one/manifest.json").read_text())["split"]
    assert [split[name] for name in ("labeled", "unlabeled", "unlabeled_unknown", "validation", "test")] == [
        10, 28, 28, 4, 2,
    ]  # fmt: skip
    assert split["classes"] == ["cat", "dog"]


def test_two_folders_of_pictures_count_all_labels_themselves(
    write_config: WriteConfig, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for folder in ("one/train", "one/test", "two/train", "two/test"):
        for label in range(10):
            (work_dir / folder / str(label)).mkdir(parents=True)
            for number in range(2):
                Image.new("RGB", (8, 8), (25 * label, number, 0)).save(work_dir / folder / str(label) / f"{number}.png")
    keys = {key: OPEN[key] for key in ("num_train_iter", "num_eval_iter", "epoch", "img_size", "num_workers", "curve")}
    name = write_config(**keys, labeled_dataset="image_folder", labeled_dir="one", unlabeled_dataset="digits")
    text = (work_dir / name).read_text().replace("num_labels: 40\n", "")
    (work_dir / name).write_text(text)
    assert main(["train", "--c", name]) == 0
    shown = capsys.readouterr()
    assert "domain adaptation from image_folder to digits: 20 labeled and 1442 unlabeled images" in shown.err
    assert "20 labels" in shown.out
    assert json.loads((work_dir / "runs/one/manifest.json").read_text())["config"]["num_labels"] == 20


def record(digest: str) -> Any:
    return SimpleNamespace(digest=digest, arrays={"labeled": np.arange(3)})


def test_a_split_is_compared_where_it_is_known(tmp_path: Path) -> None:
    checkpoint = tmp_path / "latest_model.pth"
    check_same_split(checkpoint, "abc")
    (tmp_path / "manifest.json").write_text('{"config": {}, "split_digest": "def"}')
    with pytest.raises(ConfigError, match=r"another split of the data \(def\)"):
        check_same_split(checkpoint, "abc")
    write_split(tmp_path, record("abc"))
    check_same_split(checkpoint, "abc")
    check_same_split(checkpoint, None)
    assert tmp_path / "split.npz" in run_files(tmp_path)
    assert not list(tmp_path.glob(".split*"))
    (tmp_path / "split.npz").write_bytes(b"torn")
    with pytest.raises(ConfigError, match=r"\(def\)"):
        check_same_split(checkpoint, "abc")
