"""A run that is killed at any of its writes and goes on ends as one that never was."""

from __future__ import annotations

import csv
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from usb_negsamp.run.cli.main import main

WriteConfig = Callable[..., str]
KILLED = 9
OF_THE_CLOCK = {"seconds", "start", "end", "save_name"}
SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1, "validation_size": 50, "num_workers": 0}
SPL = {
    "algorithm": "supervised_spl",
    "seen_classes": [0, 1, 2, 3, 4],
    "num_classes": 5,
    "mismatch_ratio": 0.5,
    "num_unlabeled": 200,
    "spl_rounds": 1,
    "spl_inner_steps": 1,
    "spl_outer_steps": 1,
}


def in_a_process(words: list[str], kill_at: int | None, after: bool) -> tuple[int, int]:
    """Run a command line in a forked process that ends, as by SIGKILL, at its write number ``kill_at`` (from 0).

    Args:
        words: of the command.
        kill_at: none: not at all.
        after: whether the write itself is still made.

    Returns:
        the exit code and the number of writes that were begun.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reader)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            with counted_writes(writer, kill_at, after):
                code = main(words)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        writes = len(pipe.read())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), writes


@contextmanager
def counted_writes(pipe: int, kill_at: int | None, after: bool) -> Iterator[None]:
    """Report every replaced file to ``pipe``, and end the process at one of them."""
    rename, done = os.replace, [0]

    def counted(source: Any, target: Any) -> None:
        os.write(pipe, b".")
        here = done[0] == kill_at
        done[0] += 1
        if here and not after:
            os._exit(KILLED)
        rename(source, target)
        if here:
            os._exit(KILLED)

    os.replace = counted  # type: ignore[assignment]
    try:
        yield
    finally:
        os.replace = rename


def outcome(run: Path) -> dict[str, Any]:
    """What a finished run leaves, without what clocks decide."""
    with (run / "results.csv").open(newline="") as file:
        rows = [{name: text for name, text in row.items() if name not in OF_THE_CLOCK} for row in csv.DictReader(file)]
    found: dict[str, Any] = {"rows": rows, "metrics": (run / "metrics.jsonl").read_text()}
    for path in sorted(run.glob("*.pth")):
        found[path.name] = torch.load(path, weights_only=False)["model" if path.stem != "model_spl" else "ema_model"]
    manifest = json.loads((run / "manifest.json").read_text())
    found["end"] = (manifest["exit_reason"], manifest["iterations_done"])
    return found


def assert_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        if name.endswith(".pth"):
            assert value.keys() == other[name].keys()
            assert all(torch.equal(tensor, other[name][key]) for key, tensor in value.items()), name
        else:
            assert value == other[name], name


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")
@pytest.mark.parametrize("keys", [{"algorithm": "fixmatch_ns3l"}, SPL], ids=["training", "spl"])
def test_a_run_that_is_killed_at_any_write_and_resumed_ends_the_same(
    write_config: WriteConfig, work_dir: Path, keys: dict[str, Any]
) -> None:
    file = write_config(**{**SHORT, "curve": False, **keys})
    code, writes = in_a_process(["train", "--c", file, "--save_name", "whole"], None, False)
    assert code == 0
    assert writes >= 8
    whole = outcome(work_dir / "runs" / "whole")
    for kill_at in range(writes):
        name = f"killed{kill_at}"
        # Odd ones after the write, even ones before it: together every gap between two files.
        code, _ = in_a_process(["train", "--c", file, "--save_name", name], kill_at, after=kill_at % 2 == 1)
        assert code == KILLED
        run = work_dir / "runs" / name
        words = ["train", "--c", file, "--save_name", name]
        if (run / "manifest.json").is_file():
            words.append("--resume")
        code, _ = in_a_process(words, None, False)
        if code == 2 and json.loads((run / "manifest.json").read_text())["exit_reason"] == "finished":
            code = 0  # killed after the end: there is nothing to resume
        assert code == 0, f"write {kill_at}"
        assert_equal(whole, outcome(run))
        assert [path.name for path in run.iterdir() if path.name.endswith(".writing")] == []


def test_a_start_that_fails_leaves_no_folder(write_config: WriteConfig, work_dir: Path) -> None:
    # Known once the images have been read, and at the network's first look at one.
    late = [{"seen_classes": [0, 77], "num_classes": 2, "mismatch_ratio": 0.5, "num_unlabeled": 100}]
    late += [{"net": "torchvision:alexnet"}]
    for number, keys in enumerate(late):
        assert main(["train", "--c", write_config(**{**SHORT, **keys}), "--save_name", str(number)]) == 2
        assert not (work_dir / "runs" / str(number)).exists()
