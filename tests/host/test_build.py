"""What is larger than the memory is one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from semilearn import algorithms

from usb_negsamp import ConfigError
from usb_negsamp.host.build import build_algorithm
from usb_negsamp.testing import tiny_arguments

CPU = "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to allocate 10995116"
GPU = "CUDA out of memory. Tried to allocate 1024.00 GiB."


def build_raising(error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(*args: Any) -> None:
        raise error

    args = tiny_arguments("simmatch", folder)
    monkeypatch.setattr(algorithms, "get_algorithm", get)
    build_algorithm(args)


@pytest.mark.parametrize("error", [RuntimeError(CPU), RuntimeError(GPU), MemoryError()])
def test_a_lack_of_memory_is_one_line(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="simmatch with net small_cnn: expected what fits into the memory") as caught:
        build_raising(error, tmp_path, monkeypatch)
    assert len(str(caught.value)) < 300


def test_other_errors_are_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="shapes differ"):
        build_raising(RuntimeError("shapes differ"), tmp_path, monkeypatch)
