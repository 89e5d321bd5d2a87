"""Memory that a step frees is there for the next one."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from typing import Any

import pytest

from usb_negsamp.host import freed_memory

A_BLOCK = """
import ctypes, sys
from usb_negsamp.host.freed_memory import LARGEST_KEPT_BLOCK, keep_freed_memory

library = ctypes.CDLL(None)
library.sbrk.restype = library.malloc.restype = ctypes.c_void_p
size = LARGEST_KEPT_BLOCK - 2**20
kept = keep_freed_memory() if "keep" in sys.argv else None
before = library.sbrk(0)
library.free(ctypes.c_void_p(library.malloc(ctypes.c_size_t(size))))
print(kept, (library.sbrk(0) - before) // 2**20)
"""


def megabytes_kept(*arguments: str) -> tuple[str, int]:
    """What ``keep_freed_memory`` says, and by how much the process stays larger for a block that it has freed."""
    told = ("MALLOC_", "GLIBC_")
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", A_BLOCK, *arguments],
        env={name: value for name, value in os.environ.items() if not name.startswith(told)},
        capture_output=True,
        text=True,
        check=True,
    )
    said, megabytes = ended.stdout.split()
    return said, int(megabytes)


@pytest.mark.skipif(not freed_memory._is_gnu(), reason="another C library")
def test_a_large_block_is_kept_when_it_is_freed() -> None:
    assert megabytes_kept() == ("None", 0)
    said, megabytes = megabytes_kept("keep")
    assert said == "True"
    assert megabytes > 16, "31, less what was free already"


@pytest.mark.parametrize(
    "variable",
    [("MALLOC_TRIM_THRESHOLD_", "131072"), ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=131072")],
    ids=["variable", "tunable"],
)
def test_who_has_told_the_library_is_not_overruled(monkeypatch: pytest.MonkeyPatch, variable: tuple[str, str]) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(ctypes, "CDLL", asked.append)
    monkeypatch.setenv(*variable)
    assert not freed_memory.keep_freed_memory()
    assert asked == []


def test_another_library_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(ctypes, "CDLL", asked.append)

    def unknown(name: str) -> str:
        raise ValueError(name)

    monkeypatch.setattr(os, "confstr", unknown)
    assert not freed_memory.keep_freed_memory()
    assert asked == []
