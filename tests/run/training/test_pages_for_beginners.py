"""The pages for those who begin do what they say, one command after another, each training cut short."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
SHORT = (
    *("--num_train_iter", "4", "--num_eval_iter", "2", "--num_log_iter", "2"),
    *("--use_tensorboard", "false", "--num_workers", "0", "--device", "cpu"),
)
"""What is added to every training of a page."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)


def run(words: list[str], folder: Path) -> str:
    """Run a command of a page in a process of its own, and return what it prints."""
    if words[0] == "usb-negsamp":
        words = ["python", "-m", "usb_negsamp", *words[1:], *(SHORT if words[1] == "train" else ())]
    assert words[0] == "python"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, *words[1:]]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
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
            printed.append(run(["python", "-c", text], folder))
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


def test_own_images(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for part, each in (("train", 12), ("test", 3)):
        for label in ("cat", "dog"):
            folder = tmp_path / "my_images" / part / label
            folder.mkdir(parents=True)
            for number in range(each):
                pixels = generator.integers(0, 256, (40, 36, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    doctor, *_ = follow("own_images.md", tmp_path)
    assert "cat" in doctor
    assert (tmp_path / "saved_models" / "own_images" / "report.html").is_file()


def test_an_own_algorithm(tmp_path: Path) -> None:
    follow("own_algorithm.md", tmp_path)
    assert (tmp_path / "saved_models" / "mymatch" / "results.csv").is_file()
    assert "fixmatch" not in (tmp_path / "saved_models" / "mymatch_ns3l" / "results.csv").read_text()


@pytest.mark.parametrize("page", ["index.md", "own_images.md", "own_algorithm.md"])
def test_a_page_has_no_line_that_goes_on(page: str) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert not any(text for language, text in blocks if language == "bash" and "\\\n" in text)
