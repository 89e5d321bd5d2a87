"""How the runs of a sweep are started, shared out, stopped and waited for."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from made_sweeps import FakeHandle, FakeLauncher, WriteConfig, plan_of

from usb_negsamp.run.forks import server as fork_server
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.plan import Run


def test_a_signal_is_passed_once_to_every_running_run(write_config: WriteConfig) -> None:
    handles: list[FakeHandle] = []

    class Endless(FakeLauncher):
        def start(self, run: Run, extra: Sequence[str], slot: int) -> FakeHandle:
            handles.append(FakeHandle(None))
            return handles[-1]

    runs = plan_of(write_config, "--grid", "ns3l_weight=1,2,3").runs
    ended: list[int] = []
    workers.work(
        [(run, ()) for run in runs],
        Endless(),
        jobs=2,
        ended=lambda run, code: ended.append(code),
        stop_signal=lambda: signal.SIGTERM if len(handles) == 2 else 0,
    )
    assert [handle.signals for handle in handles] == [[signal.SIGTERM], [signal.SIGTERM]]
    assert ended == [143, 143]


def test_a_run_starts_when_those_that_it_comes_after_have_ended(write_config: WriteConfig) -> None:
    first, second, third = plan_of(write_config, "--grid", "ns3l_weight=1,2,3").runs
    second = dataclasses.replace(second, after=frozenset({first.directory, Path("runs/of/another/sweep")}))
    happened: list[str] = []
    handles: dict[str, FakeHandle] = {}

    class OneAfterTheOther(FakeLauncher):
        def start(self, run: Run, extra: Sequence[str], slot: int) -> FakeHandle:
            happened.append(f"{run.name} starts")
            handles[run.name] = FakeHandle(None)
            return handles[run.name]

    def now() -> int:
        """End one run at each look, the last that started first."""
        going = [handle for handle in handles.values() if handle.code is None]
        for handle in going[-1:]:
            handle.code = 1
        return 0

    workers.work(
        [(run, ()) for run in (first, second, third)],
        OneAfterTheOther(),
        jobs=2,
        ended=lambda run, code: happened.append(f"{run.name} ends"),
        stop_signal=now,
    )
    assert [what.removeprefix("ns3l_weight=") for what in happened] == [
        *("1 starts", "3 starts", "3 ends", "1 ends", "2 starts", "2 ends"),
    ]


SLOW_TO_LEAVE = """
import signal, sys, time
came = []
signal.signal(signal.SIGINT, lambda *_: came.append(1))
print("ready", flush=True)
while not came:
    time.sleep(0.01)
time.sleep(0.2)
print("saved", flush=True)
sys.exit(130)
"""


def test_a_child_is_in_a_session_of_its_own_and_saves_when_told(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server, "is_possible", lambda: False)
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda words, **options: popen([sys.executable, "-c", SLOW_TO_LEAVE], **options)
    )
    run = plan_of(write_config, "--grid", "ns3l_weight=1").runs[0]
    handle = workers.LocalLauncher(1).start(run, (), 0)
    assert isinstance(handle, workers.LocalHandle)
    assert os.getsid(handle.process.pid) == handle.process.pid
    while workers.last_words(run.directory) != "ready":
        time.sleep(0.01)
    handle.stop(signal.SIGINT)
    assert handle.process.wait(10) == 130
    assert workers.last_words(run.directory) == "saved"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells children of their parent's death on Linux alone")
def test_runs_do_not_outlive_a_killed_sweep(tmp_path: Path) -> None:
    parent = f"""
import subprocess, sys, time
from usb_negsamp.run.sweep.workers import _leave_when_told
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], preexec_fn=_leave_when_told)
open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent])
    pid = ""
    while not pid:
        assert process.poll() is None, "the sweep ended by itself"
        time.sleep(0.02)
        pid = (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""
    process.kill()
    process.wait()
    for _ in range(200):
        if not _is_alive(int(pid)):
            return
        time.sleep(0.02)
    pytest.fail("the run went on")


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_cores_and_the_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch, write_config: WriteConfig) -> None:
    monkeypatch.setattr(workers, "usable_cores", lambda: 16)
    assert [workers.threads_each(jobs, {}) for jobs in (1, 3, 16, 40)] == [16, 5, 1, 1]
    assert workers.threads_each(4, {"OMP_NUM_THREADS": "2"}) == 2
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    environments: list[dict[str, str]] = []
    monkeypatch.setattr(workers, "start_training", lambda run, extra, env, **means: environments.append(env))
    run = plan_of(write_config, "--grid", "ns3l_weight=1").runs[0]
    for slot in range(3):
        workers.LocalLauncher(4).start(run, (), slot)
    assert [env["CUDA_VISIBLE_DEVICES"] for env in environments] == ["4", "6", "4"]
    assert {env["OMP_NUM_THREADS"] for env in environments} == {"4"}


def test_where_no_server_can_be_had_runs_import_for_themselves(
    monkeypatch: pytest.MonkeyPatch, write_config: WriteConfig
) -> None:
    def refuse(threads: int) -> None:
        raise ChildProcessError("the fork server ended with code 1")

    servers: list[Any] = []
    monkeypatch.setattr(fork_server, "is_possible", lambda: True)
    monkeypatch.setattr(fork_server, "shared_server", refuse)
    monkeypatch.setattr(workers, "start_training", lambda *run, server, **means: servers.append(server))
    workers.LocalLauncher(1).start(plan_of(write_config, "--grid", "ns3l_weight=1").runs[0], (), 0)
    assert servers == [None]
