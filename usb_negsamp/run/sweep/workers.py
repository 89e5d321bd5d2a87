"""Runs in processes of their own, some at a time, that are stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from usb_negsamp.run.forks import server as fork_server
from usb_negsamp.run.forks.program import die_with_parent
from usb_negsamp.run.forks.server import ForkServer, ProcessLike, visible_gpus
from usb_negsamp.run.sweep.plan import Run

OUTPUT = "output.txt"


class Handle(Protocol):
    """A run that was started."""

    def poll(self) -> int | None:
        """Return the exit code, or None while the run goes on."""

    def stop(self, signum: int) -> None:
        """Ask the run to save and leave."""


class Launcher(Protocol):
    """Starts runs.

    Attributes:
        pause: seconds between two looks at the runs.
    """

    pause: float

    def start(self, run: Run, extra: Sequence[str], slot: int) -> Handle:
        """Start a run with ``extra`` words on its command line, as one of those in ``slot``, and do not wait."""


def work(
    todo: Sequence[tuple[Run, Sequence[str]]],
    launcher: Launcher,
    jobs: int,
    ended: Callable[[Run, int], None],
    stop_signal: Callable[[], int],
    stopping: Callable[[int], None] = lambda running: None,
) -> None:
    """Run all of ``todo``, ``jobs`` at a time.

    Args:
        todo: runs, each with words to add to its command line. A run starts when those that it comes after have ended,
            in whatever way; they stand before it.
        launcher: starts them.
        jobs: how many at a time.
        ended: called with each run that ends, and its exit code.
        stop_signal: the signal that came, or 0; then no further run is started and the others are passed it, once.
        stopping: called with the number of running ones when that happens.
    """
    waiting = list(todo)
    running: dict[int, tuple[Run, Handle]] = {}
    stopped = False
    while waiting or running:
        signum = stop_signal()
        if signum and not stopped:
            stopped = True
            waiting.clear()
            stopping(len(running))
            for _, handle in running.values():
                handle.stop(signum)
        for slot in range(jobs):
            ready = None if slot in running else _first_ready(waiting, [run for run, _ in running.values()])
            if ready is not None:
                run, extra = waiting.pop(ready)
                running[slot] = (run, launcher.start(run, extra, slot))
        done = {slot: code for slot, (_, handle) in running.items() if (code := handle.poll()) is not None}
        for slot, code in done.items():
            ended(running.pop(slot)[0], code)
        if not done:
            time.sleep(launcher.pause)


def _first_ready(waiting: Sequence[tuple[Run, Sequence[str]]], running: Sequence[Run]) -> int | None:
    """Return the place of the first run that waits for none that has yet to end."""
    to_come = {run.directory for run in (*running, *(run for run, _ in waiting))}
    return next((place for place, (run, _) in enumerate(waiting) if not run.after & to_come), None)


class LocalLauncher:
    """Starts runs on this machine, the cores and the GPUs shared out.

    Without a GPU the runs are forks of one process that has imported everything, which saves each some seconds.
    """

    def __init__(self, jobs: int) -> None:
        self.pause = 0.1
        self.threads = threads_each(jobs)
        self.gpus = visible_gpus()
        self._forks = fork_server.is_possible()

    def start(self, run: Run, extra: Sequence[str], slot: int) -> Handle:
        """Start the run; what it prints goes to output.txt in its folder."""
        environment = dict(os.environ)
        for name in fork_server.THREAD_VARIABLES:
            environment[name] = str(self.threads)
        if len(self.gpus) > 1:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot % len(self.gpus)]
        return LocalHandle(start_training(run, extra, environment, new_session=True, server=self._server()))

    def _server(self) -> ForkServer | None:
        if self._forks:
            try:
                return fork_server.shared_server(self.threads)
            except OSError:  # a run that is started alone says what cannot be imported
                self._forks = False
        return None


class LocalHandle:
    """A child process."""

    def __init__(self, process: ProcessLike) -> None:
        self.process = process

    def poll(self) -> int | None:
        """Return the exit code, or None."""
        return self.process.poll()

    def stop(self, signum: int) -> None:
        """Pass the signal on: the run saves a checkpoint and leaves."""
        if self.process.poll() is None:
            self.process.send_signal(signum)


def start_training(
    run: Run,
    extra: Sequence[str],
    environment: Mapping[str, str],
    new_session: bool,
    server: ForkServer | None = None,
) -> ProcessLike:
    """Start ``usb-negsamp train`` for the run.

    Args:
        run: what to train.
        extra: words to add to its command line.
        environment: the process's.
        new_session: keeps a Ctrl-C at the terminal from the run, which then comes from the sweep, once.
        server: forks the process, which then is in a session of its own; None, the process imports all by itself.
    """
    run.directory.mkdir(parents=True, exist_ok=True)
    words = ["train", *run.argv, *extra]
    if server is not None:
        return server.start(fork_server.COMMAND_LINE, words, run.directory / OUTPUT, environment=environment)
    with (run.directory / OUTPUT).open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "usb_negsamp", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=new_session,
            preexec_fn=_leave_when_told,
        )


def _leave_when_told() -> None:
    """In the child: save and leave when the sweep is killed, so that no run trains on with nobody to count it.

    Signals that clusters announce a time limit with would end a run unsaved; whoever started it answers those.
    """
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    die_with_parent()


def threads_each(jobs: int, environment: Mapping[str, str] | None = None) -> int:
    """Return each run's threads: its share of the cores, or fewer where OMP_NUM_THREADS says so."""
    environment = os.environ if environment is None else environment
    share = max(1, usable_cores() // jobs)
    text = environment.get("OMP_NUM_THREADS", "")
    return min(share, int(text)) if text.isdigit() and int(text) > 0 else share


def usable_cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def last_words(directory: Path, start: int = 0) -> str:
    """Return the last line that a run printed since its output was ``start`` bytes long, without our prefix."""
    try:
        with (directory / OUTPUT).open("rb") as file:
            file.seek(start)
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return line.removeprefix("usb-negsamp: ").removeprefix("error: ")


def output_size(directory: Path) -> int:
    """Return the size of a run's output so far."""
    path = directory / OUTPUT
    return path.stat().st_size if path.exists() else 0
