"""What the tests of the launcher share."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from yaml_text import SMALL_RUN, yaml_text

import usb_negsamp
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.training.console import Console
from usb_negsamp.run.training.session import Session, open_session


@pytest.fixture(scope="session", autouse=True)
def registered() -> None:
    """Our algorithms are in the host's registry, as the launcher makes sure of."""
    usb_negsamp.register()


@pytest.fixture
def work_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory, and no trace of torchrun."""
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def write_config(work_dir: Path) -> Callable[..., str]:
    """Write a small, right configuration with some keys changed, and return the file's name."""

    def write(**changes: Any) -> str:
        (work_dir / "run.yaml").write_text(yaml_text({**SMALL_RUN, **changes}))
        return "run.yaml"

    return write


@pytest.fixture
def open_silent(tmp_path: Path) -> Callable[..., AbstractContextManager[Session]]:
    """Open the session of a run into the folder ``one``, without a word on the console."""

    def opened(process: Process | None = None) -> AbstractContextManager[Session]:
        args = Namespace(save_dir=str(tmp_path), save_name="one", deterministic=True)
        return open_session(args, process or Process(), Console(active=False), "cpu")

    return opened


@pytest.fixture
def occupied() -> Iterator[Callable[[Path], None]]:
    """Let another process hold the lock of a folder until the test ends."""
    others: list[subprocess.Popen[str]] = []

    def occupy(folder: Path) -> None:
        held = (
            "import sys, pathlib; from usb_negsamp.run.records.directory import exclusive\n"
            "with exclusive(pathlib.Path(sys.argv[1]), 'run'): print('held', flush=True); sys.stdin.read()"
        )
        command = [sys.executable, "-c", held, str(folder)]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        others.append(other)
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"

    yield occupy
    for other in others:
        other.communicate()


class Algorithm:
    """As much of a host algorithm as a hook reads."""

    def __init__(self, num_train_iter: int = 6, num_log_iter: int = 2, num_eval_iter: int = 3) -> None:
        self.num_train_iter, self.num_log_iter, self.num_eval_iter = num_train_iter, num_log_iter, num_eval_iter
        self.it = 0
        self.log_dict: dict[str, Any] = {}

    def train(self, *hooks: Any, numbers: Callable[[int], dict[str, Any]] = lambda it: {}) -> None:
        """The host's loop, without a model."""
        for hook in hooks:
            hook.before_run(self)
        while self.it < self.num_train_iter:
            self.log_dict = numbers(self.it)
            for hook in hooks:
                hook.after_train_step(self)
            self.it += 1
        for hook in hooks:
            hook.after_run(self)


@pytest.fixture
def make_algorithm() -> type[Algorithm]:
    return Algorithm
