"""The series of patches for the host, and processes beside it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "patches" / "upstream"
PATCHES = sorted(FOLDER.glob("*.patch"))

needs_checkout = pytest.mark.skipif(
    not os.environ.get("USB_CHECKOUT"), reason="USB_CHECKOUT does not name a checkout of the host"
)


def run(*command: str | Path, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the CPU, with no choice of plugins and no path of the tests."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "USB_PLUGINS")}
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={**kept, "CUDA_VISIBLE_DEVICES": "", **variables},
        capture_output=True, text=True,
    )  # fmt: skip


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """What a process said that ended without an error."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
