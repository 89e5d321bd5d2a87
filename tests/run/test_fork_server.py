"""Processes that are forked from one that has imported everything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from yaml_text import SMALL_RUN, yaml_text

from usb_negsamp.run.forks import server as fork_server
from usb_negsamp.run.forks.server import COMMAND_LINE, ForkedProcess, ForkServer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fork servers are used on Linux alone")

Start = Callable[..., ForkedProcess]

CALLED = """
import json, os, signal, sys, time

def tell(words):
    print(json.dumps({
        "words": words, "argv": sys.argv, "directory": os.getcwd(), "path": sys.path[:2], "own": os.environ.get("OWN"),
        "home": "HOME" in os.environ, "leader": os.getsid(0) == os.getpid(), "stdin": sys.stdin.read(),
        "loaded": "semilearn" in sys.modules, "descriptors": sorted(map(int, os.listdir("/proc/self/fd")))[:-1],
    }))
    return 7

def fail(words):
    raise LookupError("of its own")

def save_and_leave(words):
    came = []
    signal.signal(signal.SIGTERM, lambda *_: came.append(1))
    print("at work", flush=True)
    while not came:
        time.sleep(0.01)
    print("saved", flush=True)
    return 143
"""


@pytest.fixture(scope="module")
def server() -> ForkServer:
    return fork_server.shared_server(1)


@pytest.fixture
def start(server: ForkServer, tmp_path: Path) -> Iterator[Start]:
    """Start a function of a module that lies in the working directory of the child."""
    (tmp_path / "called.py").write_text(CALLED)
    started = []

    def begin(name: str, words: Sequence[str] = (), by: ForkServer = server) -> ForkedProcess:
        environment = {"OWN": "given", "PATH": os.environ["PATH"]}
        started.append(by.start(f"called:{name}", words, tmp_path / "out.txt", None, environment, tmp_path))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait(10)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def printed(folder: Path) -> str:
    return (folder / "out.txt").read_text() if (folder / "out.txt").exists() else ""


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_is_what_a_program_of_its_own_would_be_with_the_host_imported(start: Start, tmp_path: Path) -> None:
    (tmp_path / "out.txt").write_text("of before\n")
    process = start("tell", ["a", "b c"])
    assert process.wait(20) == 7
    assert process.poll() == process.returncode == 7
    before, told = (tmp_path / "out.txt").read_text().splitlines()
    assert before == "of before"
    said = json.loads(told)
    assert said.pop("path")[0] == str(tmp_path)
    assert said == {
        "words": ["a", "b c"],
        "argv": ["usb-negsamp", "a", "b c"],
        "directory": str(tmp_path),
        "own": "given",
        "home": False,
        "leader": True,
        "stdin": "",
        "loaded": True,
        "descriptors": [0, 1, 2],
    }


def test_an_error_is_a_traceback_and_a_signal_a_negative_code(start: Start, tmp_path: Path) -> None:
    assert start("fail").wait(20) == 1
    assert (tmp_path / "out.txt").read_text().endswith("LookupError: of its own\n")
    process = start("save_and_leave")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process.kill()
    assert process.wait(20) == -signal.SIGKILL


def test_children_are_told_apart_and_told_to_leave(start: Start, tmp_path: Path) -> None:
    slow, quick = start("save_and_leave"), start("tell")
    assert quick.wait(20) == 7
    assert slow.poll() is None
    until(lambda: "at work" in printed(tmp_path))
    slow.send_signal(signal.SIGTERM)
    assert slow.wait(20) == 143


def test_children_of_a_killed_server_save_and_leave_and_have_a_code(start: Start, tmp_path: Path) -> None:
    server = ForkServer(1)
    process = start("save_and_leave", by=server)
    until(lambda: "at work" in printed(tmp_path))
    os.kill(server._server.pid, signal.SIGKILL)
    until(lambda: "saved" in printed(tmp_path))
    assert process.wait(20) == -signal.SIGKILL
    assert not server.is_alive()
    with pytest.raises(OSError, match="ended with code"):
        start("tell", by=server)


def test_neither_server_nor_children_outlive_the_process_that_asked_for_them(start: Start, tmp_path: Path) -> None:
    script = f"""
import os, sys, time
from pathlib import Path
from usb_negsamp.run.forks import server as fork_server
os.chdir({str(tmp_path)!r})
server = fork_server.shared_server(1)
child = server.start("called:save_and_leave", [], Path("out.txt"))
Path("pids").write_text(f"{{child.pid}} {{server._server.pid}}")
os.rename("pids", "ready")
time.sleep(60)
"""
    asking = subprocess.Popen([sys.executable, "-c", script])
    until(lambda: (tmp_path / "ready").exists())
    pids = [int(word) for word in (tmp_path / "ready").read_text().split()]
    until(lambda: "at work" in printed(tmp_path))
    asking.kill()
    asking.wait()
    until(lambda: not any(map(is_there, pids)))
    assert (tmp_path / "out.txt").read_text() == "at work\nsaved\n"


def test_a_run_ends_with_the_bits_that_it_has_alone(server: ForkServer, work_dir: Path) -> None:
    Path("run.yaml").write_text(yaml_text({**SMALL_RUN, "num_train_iter": 4, "num_eval_iter": 2, "curve": False}))
    words = ["train", "--c", "run.yaml", "--save_dir", "runs", "--save_name"]
    forked = server.start(COMMAND_LINE, [*words, "forked"], Path("forked.txt"))
    alone = subprocess.run([sys.executable, "-m", "usb_negsamp", *words, "alone"], capture_output=True, text=True)
    assert alone.returncode == 0, alone.stderr
    assert forked.wait(60) == 0, Path("forked.txt").read_text()
    one, other = (Path("runs", name, "latest_model.pth").read_bytes() for name in ("forked", "alone"))
    assert sums(one) == sums(other)
    manifests = [json.loads(Path("runs", name, "manifest.json").read_text()) for name in ("forked", "alone")]
    assert manifests[0]["argv"][:-1] == manifests[1]["argv"][:-1]


def sums(checkpoint: bytes) -> dict[str, float]:
    import io

    import torch

    state = torch.load(io.BytesIO(checkpoint), weights_only=True)["model"]
    assert state
    return {name: hash(tensor.numpy().tobytes()) for name, tensor in state.items()}


def test_a_server_that_cannot_import_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "semilearn.py").write_text("raise ImportError('not there')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(OSError, match="ended with code 1"):
        ForkServer(1)


def test_there_is_one_server_until_it_has_ended(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fork_server.shared_server(1) is server
    another = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(fork_server, "ForkServer", lambda threads: another)
    monkeypatch.setattr(server, "is_alive", lambda: False)
    monkeypatch.setattr(fork_server, "_servers", {1: server})
    assert fork_server.shared_server(1) is another


def test_a_server_that_is_closed_has_its_children_save_and_leave(start: Start, tmp_path: Path) -> None:
    server = ForkServer(1)
    process = start("save_and_leave", by=server)
    until(lambda: "at work" in printed(tmp_path))
    server.close()
    assert "saved" in printed(tmp_path)
    assert process.poll() == 143
    assert not server.is_alive()
    server.close()


def test_with_a_gpu_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert not fork_server.is_possible()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert fork_server.is_possible()
