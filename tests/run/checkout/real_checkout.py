"""What the tests of a real, patched checkout of the host share."""

from __future__ import annotations

import hashlib
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

Train = Callable[..., subprocess.CompletedProcess[str]]


def tree(folder: Path) -> dict[str, str]:
    """Every file and folder below ``folder``, files with their checksum and mode; what Python compiled is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
            found[path.relative_to(folder).as_posix()] = f"{content} {stat.S_IMODE(path.stat().st_mode):o}"
    return found


def finished(done: subprocess.CompletedProcess[str], loss: str = "ns3l_loss") -> bool:
    """Whether all iterations were made and the results printed."""
    assert done.returncode == 0, done.stderr[-2000:]
    return "10 iteration" in done.stderr and "Model result" in done.stderr and f"train/{loss}" in done.stderr


def figure(name: str, text: str) -> float:
    """The last one of this name that a log or a script says."""
    return float(re.findall(rf"{name}\s*:?\s+([0-9.]+)", text)[-1])
