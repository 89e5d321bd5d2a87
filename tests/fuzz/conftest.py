"""What both fuzz tests share: how many examples, from which seed, and what they may use of the machine."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import usb_negsamp

MEMORY = 4 * 2**30
"""Bytes that the examples may ask for beside what is in use when they begin."""


@pytest.fixture(scope="session", autouse=True)
def registered() -> list[str]:
    return usb_negsamp.register()


@pytest.fixture
def seed() -> int:
    """``FUZZ_SEED`` of the environment; by default always the same examples."""
    return int(os.environ.get("FUZZ_SEED", "0"))


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, no other process, no net, and bounded memory."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_passwords"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    connect = socket.socket.connect

    def to_this_machine(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", to_this_machine)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def bounded_memory() -> Iterator[None]:
    """An example that asks for all the memory there is fails, and takes nobody else's."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)
