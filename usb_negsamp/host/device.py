"""Which device the host computes on, and what its CUDA calls do where that is the CPU (V6, V7, V9).

What is wrong: the host says ``.cuda(...)`` in a hundred places, times with ``torch.cuda.Event`` and refuses to run
without a GPU. How it shows: on a machine without CUDA nothing trains. How it is mended: while the CPU is selected,
``Tensor.cuda`` and ``Module.cuda`` return their object unchanged, CUDA events read a wall clock and
``torch.cuda.synchronize`` and ``set_device`` do nothing; selecting a GPU gives all of them back. When it may go: when
the host takes a device instead of a GPU number.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from usb_negsamp.errors import ConfigError, unknown

NAMES = ("auto", "cpu", "cuda")


class ClockEvent:
    """``torch.cuda.Event`` for a device without streams: records the wall clock, in milliseconds as CUDA's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.seconds = 0.0

    def record(self, stream: Any = None) -> None:
        """Take the time now."""
        self.seconds = time.perf_counter()

    def elapsed_time(self, end: ClockEvent) -> float:
        """Milliseconds from this event to ``end``."""
        return (end.seconds - self.seconds) * 1000.0

    def synchronize(self) -> None:
        """Nothing is ever pending."""

    def query(self) -> bool:
        """Nothing is ever pending."""
        return True


def _unchanged(self: Any, *args: Any, **kwargs: Any) -> Any:
    return self


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


_ON_CPU: tuple[tuple[Any, str, Any], ...] = (
    (torch.Tensor, "cuda", _unchanged),
    (torch.nn.Module, "cuda", _unchanged),
    (torch.cuda, "Event", ClockEvent),
    (torch.cuda, "synchronize", _nothing),
    (torch.cuda, "set_device", _nothing),
)
_ORIGINALS = tuple((owner, name, getattr(owner, name)) for owner, name, _ in _ON_CPU)
_selected = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def select(name: str = "auto") -> torch.device:
    """Choose the device of every run that follows in this process: ``auto`` takes a GPU where there is one.

    Raises:
        ConfigError: an unknown name, or ``cuda`` on a machine where PyTorch finds no GPU.
    """
    global _selected
    if name not in NAMES:
        raise unknown("device", name, NAMES)
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: expected a CUDA GPU, but PyTorch finds none; use --device cpu or --device auto")
    on_cuda = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    for owner, attribute, value in _ORIGINALS if on_cuda else _ON_CPU:
        setattr(owner, attribute, value)
    _selected = torch.device("cuda" if on_cuda else "cpu")
    return _selected


def selected() -> torch.device:
    """The device chosen by :func:`select`."""
    return _selected


@contextmanager
def selection_kept() -> Iterator[None]:
    """After the block the device that was selected before is selected, or none as before."""
    global _selected
    before, functions = _selected, [(owner, name, getattr(owner, name)) for owner, name, _ in _ON_CPU]
    try:
        yield
    finally:
        _selected = before
        for owner, name, function in functions:
            setattr(owner, name, function)
