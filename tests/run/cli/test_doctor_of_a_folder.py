"""``usb-negsamp doctor --data_dir DIR``: the table, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from one_line import assert_one_line
from PIL import Image

from usb_negsamp.run.cli.folder_survey import columns_of
from usb_negsamp.run.cli.main import main


@pytest.fixture
def folder(work_dir: Path) -> Path:
    """Two classes, and pictures without a label."""
    for name, number, side in (("train/cat", 3, 8), ("train/猫", 2, 10), ("val/cat", 1, 8), ("unlabeled", 4, 8)):
        (work_dir / "pictures" / name).mkdir(parents=True)
        for index in range(number):
            Image.new("RGB", (side, side)).save(work_dir / "pictures" / name / f"{index}.png")
    return work_dir / "pictures"


def test_a_folder_in_order_is_a_table_and_a_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--data_dir", "pictures"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pictures: 2 classes",
        "",
        "class          train       val",
        "cat                3         1",
        "猫                 2         0",
        "all                5         1",
        "unlabeled          4",
        "",
        "sizes      8 x 8 (8), 10 x 10 (2)",
        "           smallest 8 x 8, largest 10 x 10",
        "modes      RGB (10)",
        "formats    PNG (10)",
        "bad files  none",
        "",
        "all is well: usb-negsamp train --c own_images --data_dir pictures",
    ]


def test_bad_files_are_all_listed_and_the_exit_code_is_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abcdef":
        (folder / "train" / "cat" / f"{name}.png").write_text("no picture")
    assert main(["doctor", "--data_dir", "pictures"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "bad files  6" in lines
    assert sum(line.startswith("  pictures/train/cat/") for line in lines) == 6
    assert lines[-1].startswith("6 files cannot be decoded")


def test_a_folder_that_cannot_be_trained_on_says_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "val" / "cats").mkdir()
    assert main(["doctor", "--data_dir", "pictures"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "pictures: pictures at any depth, since there are no classes to count"
    assert "modes      RGB (10)" in lines
    assert lines[-1].startswith("cannot be trained on: class 'cats' of pictures/val is not a class of train")


def test_labels_of_a_file_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "l.csv").write_text("file,label\ntrain/cat/0.png,x\ntrain/cat/1.png,y\nval/cat/0.png,y\n")
    assert main(["doctor", "--data_dir", "pictures", "--labels_csv", "pictures/l.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3:7] == [
        "x                  1         0",
        "y                  1         1",
        "all                2         1",
        "unlabeled          7",
    ]
    assert lines[-1].endswith("--data_dir pictures --labels_csv pictures/l.csv")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--data_dir", "nowhere"], "no folder nowhere; expected one with pictures"),
        (["--labels_csv", "a.csv"], "--labels_csv FILE is read with --data_dir DIR alone"),
    ],
)
def test_what_cannot_be_looked_at_is_one_line(
    words: list[str], line: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(["doctor", *words], line, work_dir, capsys)


def test_letters_of_east_asia_take_two_columns() -> None:
    assert [columns_of(text) for text in ("cat", "猫", "u\u0308", "")] == [3, 2, 1, 0]
