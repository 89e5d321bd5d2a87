"""The lane of the pretended GPU: when it is run, and what happens where it cannot be."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pretended_gpu
import pytest

HERE = Path(__file__).parent
ALGORITHMS = HERE / "pretend_cuda/test_device_algorithms.py"
WAITS = HERE / "pretend_cuda/test_device_waits.py"


def test_the_program_is_the_named_one_or_that_beside_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named, beside = tmp_path / "named.py", tmp_path / "beside.py"
    named.touch()
    monkeypatch.setattr(pretended_gpu, "_BESIDE_THE_CLONE", beside)
    monkeypatch.setenv("PRETEND_CUDA", str(named))
    assert pretended_gpu.tool() == named
    monkeypatch.delenv("PRETEND_CUDA")
    assert pretended_gpu.tool() is None
    beside.touch()
    assert pretended_gpu.tool() == beside


def test_a_named_program_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRETEND_CUDA", "nowhere.py")
    with pytest.raises(FileNotFoundError):
        pretended_gpu.tool()


def test_by_default_the_long_lane_is_left_out_and_without_a_gpu_the_rest_is_skipped_with_the_reason() -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", str(ALGORITHMS)]
    done = subprocess.run(command, env=environment, cwd=HERE.parent, capture_output=True, text=True, check=True)
    *lines, last = done.stdout.splitlines()
    assert any(line.startswith("SKIPPED") and "needs a GPU, or the program that pretends one" in line for line in lines)
    match = re.match(r"(\d+) skipped, (\d+) deselected", last)
    assert match is not None, last
    skipped, deselected = map(int, match.groups())
    assert 0 < skipped < 20
    assert deselected > 150


def test_each_run_of_the_lane_has_a_line() -> None:
    # Said to be under the program already, it is not started again.
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PRETEND_CUDA_LIBRARY": "none"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", pretended_gpu.LANE, str(WAITS)]
    done = subprocess.run(command, env=environment, cwd=HERE.parent, capture_output=True, text=True, check=True)
    assert len(re.findall(r"^tests/pretend_cuda/test_device_waits\.py::\S+ SKIPPED", done.stdout, re.MULTILINE)) > 15
