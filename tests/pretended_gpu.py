"""A GPU in host memory: the tests that need one can be run under a program that pretends that there is one.

``PRETEND_CUDA`` names its file; else it is looked for beside the clone. Started under it, PyTorch finds GPUs whose
kernels are computed on the host.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

LANE = "pretend_cuda"
"""The marker of the tests of that lane."""
_BESIDE_THE_CLONE = Path(__file__).resolve().parents[2] / "shared/tools/pretend_cuda.py"


def tool() -> Path | None:
    """The program, or None where there is none.

    Raises:
        FileNotFoundError: ``PRETEND_CUDA`` names a file that is not there.
    """
    named = os.environ.get("PRETEND_CUDA")
    if named:
        return Path(named).resolve(strict=True)
    return _BESIDE_THE_CLONE if _BESIDE_THE_CLONE.is_file() else None


def is_pretended() -> bool:
    """Whether this process runs under the program."""
    return "PRETEND_CUDA_LIBRARY" in os.environ


def is_wanted(markers: str) -> bool:
    """Whether ``pytest -m markers`` asks for the lane.

    >>> [is_wanted(markers) for markers in ("pretend_cuda", "gpu and pretend_cuda", "gpu", "not pretend_cuda", "")]
    [True, True, False, False, False]
    """
    return LANE in markers and f"not {LANE}" not in markers


def start_again(arguments: Sequence[str]) -> NoReturn:
    """Be ``pytest arguments`` under the program."""
    program = tool()
    assert program is not None
    os.execv(sys.executable, [sys.executable, str(program), "-m", "pytest", *arguments])
