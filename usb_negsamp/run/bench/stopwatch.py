"""Clocks: seconds of the wall or of the processors, and how a step's seconds divide among its phases."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from usb_negsamp.errors import ConfigError

CLOCKS = ("wall", "cpu")


def clock(name: str) -> Callable[[], float]:
    """Return a clock, in seconds: ``wall``, or ``cpu`` for those that this process and its workers have computed.

    Raises:
        ConfigError: ``cpu`` where the system does not say what a living child has used.
    """
    if name == "wall":
        return time.perf_counter
    if not Path("/proc/self/stat").is_file():
        raise ConfigError("clock cpu: expected Linux, which counts the seconds of loaders' workers; use --clock wall")
    return _processor_seconds


def _processor_seconds() -> float:
    return time.process_time() + sum(_seconds_of(child.pid) for child in multiprocessing.active_children())


def _seconds_of(process: int | None) -> float:
    """Seconds that another living process has computed, in user and in system mode."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def synchronize() -> None:
    """Wait for the GPU, if one is used."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


class Phases:
    """Adds up the seconds of phases that lie within each other: each second counts for the innermost one alone.

    The device is waited for wherever a phase begins or ends, so that its work counts for who asked for it.

    >>> phases = Phases()
    >>> with phases("step"):
    ...     with phases("backward"):
    ...         pass
    >>> sorted(phases.seconds)
    ['backward', 'step']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the seconds of the block for the phase ``name``, those of phases within it excepted."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def _turn(self) -> None:
        synchronize()
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function``, whose calls count for the phase ``name``."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self(name):
                return function(*args, **kwargs)

        return call
