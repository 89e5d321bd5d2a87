"""The pages for those who begin do what they say, one command after another, each training cut short."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from forked import command
from PIL import Image

ROOT = Path(__file__).parents[3]
SHORT = {
    "num_train_iter": 4,
    "num_eval_iter": 2,
    "num_log_iter": 2,
    "use_tensorboard": False,
    "num_workers": 0,
    "device": "cpu",
}
"""What is added to every training of a page."""
SHORT_IN_PYTHON = f"""\
import functools, usb_negsamp
usb_negsamp.train = functools.partial(usb_negsamp.train, **{SHORT})
"""
PARTS = (("train", 12), ("test", 3))
"""Folders of ``my_images``, and the number of pictures of each class in them."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def run(words: list[str], folder: Path) -> str:
    """Run a command of a page in a process of its own, and return what it prints."""
    short = [text for key, value in SHORT.items() for text in (f"--{key}", str(value).lower())]
    if words[0] == "usb-negsamp":
        ended = command(*words[1:], *(short if words[1] == "train" else ()), folder=folder)
    else:
        assert words[0] == "python"
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        program = [sys.executable, *words[1:]]
        ended = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def follow(page: str, folder: Path) -> list[str]:
    """Write the files of a page, run its commands in their order, and return what each printed."""
    printed = []
    for language, text in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        name = re.match(r"# (\w+\.py)\n", text)
        if language == "python" and name:
            (folder / name[1]).write_text(text)
        elif language == "python":
            printed.append(run(["python", "-c", SHORT_IN_PYTHON + text], folder))
        elif language == "bash":
            lines = [line.split("#")[0].split() for line in text.splitlines()]
            printed += [run(words, folder) for words in lines if words and words[0] != "pip"]
    return printed


def form(line: str) -> str:
    """A line that a run prints, without its numbers."""
    return re.sub(r"[\d.]+", "N", line)


def test_the_first_page(tmp_path: Path) -> None:
    doctor, first, *_ = follow("index.md", tmp_path)
    assert "semilearn" in doctor
    [shown] = [text for language, text in BLOCK.findall((ROOT / "docs" / "index.md").read_text()) if language == "text"]
    assert [form(line) for line in shown.splitlines()[-2:]] == [form(line) for line in first.splitlines()[1:3]]
    assert (tmp_path / "saved_models" / "vat_ns3l_digits" / "report.html").is_file()
    assert (tmp_path / "compare.png").is_file()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with what the pages call ``my_images`` and ``photos``, one of which is broken."""
    generator = np.random.default_rng(0)
    parts = {f"my_images/{part}/{label}": each for part, each in PARTS for label in ("cat", "dog")}
    for name, each in {**parts, "photos": 2}.items():
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number in range(each):
            pixels = generator.integers(0, 256, (40, 36, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    (tmp_path / "photos" / "broken.png").write_text("no image")
    return tmp_path


def test_own_images(pictures: Path) -> None:
    doctor, *_ = follow("own_images.md", pictures)
    assert "cat" in doctor
    assert (pictures / "saved_models" / "own_images" / "report.html").is_file()


def test_from_own_images_to_predictions(pictures: Path) -> None:
    follow("predictions.md", pictures)
    run = pictures / "saved_models" / "from_python"
    assert {path.name for path in (run / "export").iterdir()} == {
        *("best.safetensors", "best.pt2"),
        "best.ts",
        "best.json",
    }
    assert (run / "report.html").is_file()
    with (pictures / "predictions.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert {name: (row["class"] in ("cat", "dog"), bool(row["error"])) for name, row in rows.items()} == {
        "0.png": (True, False),
        "1.png": (True, False),
        "broken.png": (False, True),
    }
    page = (ROOT / "docs" / "predictions.md").read_text(encoding="utf-8")
    described = re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in page.splitlines() if "|" in line))
    assert set(described) - {"safetensors", "pt2", "torchscript", "onnx"} == {*rows["0.png"], "rejected"}


def test_an_own_algorithm(tmp_path: Path) -> None:
    follow("own_algorithm.md", tmp_path)
    assert (tmp_path / "saved_models" / "mymatch" / "results.csv").is_file()
    assert "fixmatch" not in (tmp_path / "saved_models" / "mymatch_ns3l" / "results.csv").read_text()


@pytest.mark.parametrize("page", ["index.md", "own_images.md", "predictions.md", "own_algorithm.md"])
def test_a_page_has_no_line_that_goes_on(page: str) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert not any(text for language, text in blocks if language == "bash" and "\\\n" in text)
