"""The check that two processes with the same global batch follow one.

The processes are programs of their own (:mod:`usb_negsamp.testing.process`), so that a caller's script needs no
guard.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from usb_negsamp.run.forks import server as fork_server
from usb_negsamp.run.forks.server import ProcessLike
from usb_negsamp.testing import process
from usb_negsamp.testing.report import Broken
from usb_negsamp.testing.subject import Subject, difference
from usb_negsamp.testing.tiny import tiny_arguments

WORLD_SIZE = 2
# Sums in another order differ by rounding, which thresholds amplify with time: few steps, small tolerance.
SHORT_RUN = {"num_train_iter": 4, "num_eval_iter": 2, "epoch": 2}
TOLERANCE = 1e-4
SECONDS = 300.0
_GRACE = 5.0


def check_two_processes(subject: Subject) -> None:
    """Two gloo processes with half the batch each end, to rounding, where one process ends."""
    batch_size = tiny_arguments(subject.name, subject.directory, **subject.overrides).batch_size
    if batch_size % WORLD_SIZE:
        raise Broken(f"expected an even batch_size for two processes, but got {batch_size}")
    one = subject.train("one_process", None, **SHORT_RUN)
    parts = run_processes(subject, {**subject.overrides, **SHORT_RUN, "batch_size": batch_size // WORLD_SIZE})
    apart = difference(parts[0], parts[1], TOLERANCE)
    if apart is not None:
        raise Broken(
            f"expected the same weights in both processes, but they differ in {apart}: look for parameters that are "
            "changed outside the optimizer, and for passes that do not go through algorithm.model"
        )
    apart = difference(one, parts[0], TOLERANCE)
    if apart is not None:
        raise Broken(
            f"expected two processes with the same global batch to follow one within {TOLERANCE:g}, but they differ in "
            f"{apart}: look for random numbers drawn by each process for its own part, and for statistics of that part "
            "alone; where that is meant, check with two_processes=False"
        )


def run_processes(subject: Subject, overrides: dict[str, Any]) -> list[dict[str, torch.Tensor]]:
    """The parameters of each process.

    Raises:
        Broken: a process ends with an error, or none ends in time.
    """
    folder = subject.directory / "two_processes"
    folder.mkdir()
    request = folder / "request.json"
    content = {"name": subject.name, "overrides": overrides, "register": subject.register, "world_size": WORLD_SIZE}
    request.write_text(json.dumps(content))
    processes = [_start(request, rank) for rank in range(WORLD_SIZE)]
    try:
        _wait(processes)
    finally:
        for started in processes:
            if started.poll() is None:
                started.kill()
            started.wait()
    # The first to fail has said why; the others only missed it.
    errors = sorted(folder.glob("error*.txt"), key=lambda path: path.stat().st_mtime_ns)
    if errors:
        failed = errors[0].stem.removeprefix("error")
        raise Broken(f"expected two processes to train, but in process {failed} {errors[0].read_text()}")
    for rank, started in enumerate(processes):
        if started.returncode != 0:
            words = (folder / f"output{rank}.txt").read_text(errors="replace").strip().splitlines()[-1:] or ["nothing"]
            raise Broken(
                f"expected two processes to train within {SECONDS:g} s, but process {rank} ended with code "
                f"{started.returncode}; its last words: {words[0]}"
            )
    return [torch.load(folder / f"parameters{rank}.pth", weights_only=True) for rank in range(WORLD_SIZE)]


def _start(request: Path, rank: int) -> ProcessLike:
    environment = {
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(WORLD_SIZE),
        "LOCAL_WORLD_SIZE": str(WORLD_SIZE),
    }
    output, words = request.parent / f"output{rank}.txt", [str(request), str(rank)]
    if fork_server.is_possible():
        server = fork_server.shared_server(threads=1)
        return server.start(f"{process.__name__}:main", words, output, None, environment, request.parent, sys.path)
    environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", process.__name__, *words],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=request.parent,
        )


def _wait(processes: Sequence[ProcessLike]) -> None:
    """Return when all have ended, or one has failed and the others have had time to notice, or time is up."""
    deadline = time.monotonic() + SECONDS
    while any(started.poll() is None for started in processes) and time.monotonic() < deadline:
        if any(started.poll() not in (None, 0) for started in processes):
            deadline = min(deadline, time.monotonic() + _GRACE)
        time.sleep(0.05)
