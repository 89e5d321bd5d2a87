"""A run that is stopped after some iteration and resumed, for the tests of options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.host import Hook
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny


class Stopped(Exception):
    pass


class StopHook(Hook):
    """Saves after ``iterations`` iterations and stops the run, as a kill would."""

    settings_only = True

    def __init__(self, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations

    def after_train_step(self, algorithm: Any) -> None:
        if algorithm.it + 1 == self.iterations:
            algorithm.save_model("stopped.pth", os.path.join(algorithm.save_dir, algorithm.save_name))
            raise Stopped


def train_stopped_and_resumed(name: str, directory: Path, iterations: int, **overrides: Any) -> Any:
    """Train a tiny run to ``iterations``, then another from its checkpoint to the end; returns the other."""
    first = build_tiny(name, directory, **overrides)
    first.register_hook(StopHook(iterations), None, "LOWEST")
    with pytest.raises(Stopped):
        first.train()
    second = build_tiny(name, directory, **overrides)
    resume(second, directory / first.save_name / "stopped.pth")
    second.train()
    return second
