"""A process that fails alone says so in one line, and the others end with it instead of waiting for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.training import process_group, session
from usb_negsamp.run.training.process_group import while_all_are_there
from usb_negsamp.run.training.session import Session

SECOND = Process(rank=1, local_rank=1, world_size=2)
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
SECONDS_OF_TORCHRUN = 30
"""How long it waits for processes that it has asked to end."""
PLUGIN = """
import os
import time
from pathlib import Path

from semilearn.core import AlgorithmBase

from usb_negsamp.errors import ConfigError


def fail(*_):
    Path("failed").write_text(str(time.time()))
    raise ConfigError("expected the data of this machine, but they are not there")


def fail_before_joining():
    if os.environ["RANK"] == "{rank}":
        fail()


def fail_in_the_build():
    if os.environ["RANK"] == "{rank}":
        AlgorithmBase.set_dataset = fail
"""


@pytest.mark.parametrize(
    ("rank", "where"), [(1, "fail_before_joining"), (1, "fail_in_the_build"), (0, "fail_in_the_build")]
)
def test_the_others_end_with_it(rank: int, where: str, write_config: Callable[..., str], work_dir: Path) -> None:
    (work_dir / "plugin.py").write_text(PLUGIN.replace("{rank}", str(rank)))
    command = ["train", "--c", write_config(), "--plugin", f"plugin.py:{where}"]
    done = subprocess.run(
        [sys.executable, *TORCHRUN, "-m", "usb_negsamp", *command], capture_output=True, text=True, timeout=300
    )
    seconds = time.time() - float(Path("failed").read_text())
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if line.startswith("usb-negsamp: error: ")]
    process = f"in process {rank}, " if rank else ""
    assert f"usb-negsamp: error: {process}expected the data of this machine, but they are not there" in errors
    assert all("expected the data" in line or "another process of this run has ended" in line for line in errors)
    assert "gloo" not in done.stderr
    assert seconds < SECONDS_OF_TORCHRUN
    assert not (work_dir / "runs").exists()


def test_several_processes_catch_signals_once_they_have_begun(
    open_silent: Callable[..., AbstractContextManager[Session]], monkeypatch: pytest.MonkeyPatch
) -> None:
    joined = []

    @contextmanager
    def group(process: Process, device_type: str) -> Iterator[None]:
        joined.append(signal.getsignal(signal.SIGTERM))
        yield

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(session, "process_group", group)
    with open_silent(SECOND) as opened:
        assert [*joined, signal.getsignal(signal.SIGTERM)] == [before, before]
        with opened.catching_signals():
            signal.raise_signal(signal.SIGTERM)
        assert opened.signals.signum == signal.SIGTERM
    with open_silent() as alone:
        assert joined[1] != before
        with alone.catching_signals():
            assert signal.getsignal(signal.SIGTERM) == joined[1]


def test_a_lost_connection_is_one_line_where_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_group, "SECONDS_TO_SAY_WHY", 0.0)

    def lose(process: Process, reason: str) -> None:
        with while_all_are_there(process):
            raise RuntimeError(reason)

    lost = "[gloo/transport/tcp/pair.cc:544] Connection closed by peer [127.0.0.1]:1234"
    with pytest.raises(ConfigError, match="another process of this run has ended before the training began"):
        lose(SECOND, lost)
    with pytest.raises(RuntimeError, match="gloo"):
        lose(Process(), lost)
    with pytest.raises(RuntimeError, match="something else"):
        lose(SECOND, "something else")
