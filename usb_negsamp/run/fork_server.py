"""Processes that begin with everything imported: forks of one process that has imported it once.

Importing PyTorch and the host takes some seconds of CPU, which a sweep of short runs would pay for each of its runs.
A fork server is a program of its own (``python -m usb_negsamp.run.fork_server``) that imports what a run needs, and
forks a child for each request that comes in at its standard input. A child goes on as a program of its own would: in a
session of its own, with the environment, directory and output that it is given, and it leaves as programs do.

On Linux without a GPU alone: a child of a process that has spoken with CUDA cannot use it.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What libraries read when they are imported; those of the server hold for its children."""
COMMAND_LINE = "usb_negsamp.run.cli.main:main"
"""What :meth:`ForkServer.start` calls for a command line of ``usb-negsamp``."""
_PRELOADED = (
    *("matplotlib.backends.backend_agg", "matplotlib.pyplot", "sklearn.datasets"),
    *("usb_negsamp.run.cli.all_commands", "usb_negsamp.run.training.run"),
)
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_READY = "ready"
_PAUSE = 0.02
_CHUNK = 65536


class ProcessLike(Protocol):
    """As much of ``subprocess.Popen`` as forked processes have, too."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process goes on."""

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when there is one."""

    def send_signal(self, signum: int) -> None:
        """Send a signal to a process that goes on."""

    def kill(self) -> None:
        """End it at once."""


def is_possible() -> bool:
    """Return whether processes can be had from a fork server on this machine."""
    return sys.platform == "linux" and not visible_gpus()


def visible_gpus() -> list[str]:
    """Return the GPUs that processes can be given, as CUDA_VISIBLE_DEVICES names them."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name for name in listed.split(",") if name]
    import torch

    return [str(number) for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]


def die_with_parent() -> None:
    """Have this process told to leave (SIGTERM) when the one that started it is killed; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


_servers: dict[int, ForkServer] = {}


def shared_server(threads: int) -> ForkServer:
    """Return this process's server whose children have so many threads; it ends with this process.

    Raises:
        OSError: what the server imports cannot be imported. Whoever imports it alone is told why.
    """
    server = _servers.get(threads)
    if server is None or not server.is_alive():
        server = _servers[threads] = ForkServer(threads)
        atexit.register(server.close)
    return server


class ForkServer:
    """A server, and what it says of its children.

    Args:
        threads: of each child, for the libraries that ask when they are imported.

    Raises:
        OSError: the server does not start, or what it imports cannot be imported.
    """

    def __init__(self, threads: int) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "usb_negsamp.run.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
            start_new_session=True,
        )
        self._answers: list[str] = []
        self._rest = b""
        self._exit_codes: dict[int, int] = {}
        if self._next_answer() != _READY:
            raise ChildProcessError(f"the fork server ended with code {self._server.wait()}")

    def close(self) -> None:
        """End the server: children that are at work save and leave first."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with contextlib.suppress(OSError):  # it has ended before what was written could be read
            self._server.stdin.close()
        while answer := self._next_answer():
            self._take(answer)
        self._server.wait()
        self._server.stdout.close()

    def is_alive(self) -> bool:
        """Return whether children can be started."""
        return self._server.poll() is None

    def start(
        self,
        call: str,
        arguments: Sequence[str],
        output: Path,
        errors: Path | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        path: Sequence[str] | None = None,
    ) -> ForkedProcess:
        """Start a child that calls a function, and ends with the exit code that it returns.

        Args:
            call: the function, as ``module:name``; it is given the list of arguments.
            arguments: its arguments, which stand in ``sys.argv`` behind the program's name, too.
            output: what the child prints is added to this file.
            errors: what it prints to the standard error; None, the same file.
            environment: the child's; None, this process's.
            directory: the child's working directory; None, this process's.
            path: the child's ``sys.path``; None, the server's, with the working directory before it.

        Raises:
            OSError: the server has ended.
        """
        request = {
            "call": call,
            "arguments": list(arguments),
            "output": os.path.abspath(output),
            "errors": os.path.abspath(errors or output),
            "environment": dict(os.environ if environment is None else environment),
            "directory": os.path.abspath(directory or "."),
            "path": None if path is None else [os.path.abspath(entry) for entry in path],
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self._server.stdin.flush()
        while (answer := self._next_answer()).startswith("ended"):
            self._take(answer)
        if not answer:
            raise ChildProcessError(f"the fork server ended with code {self._server.wait()}")
        return ForkedProcess(self, int(answer.split()[1]))

    def exit_code(self, pid: int) -> int | None:
        """Return the exit code of a child; None while it goes on."""
        while pid not in self._exit_codes and self._has_answer():
            answer = self._next_answer()
            if not answer:  # what the server has told can no longer come; the kernel told its children to leave
                return self._server.wait() or 1
            self._take(answer)
        return self._exit_codes.get(pid)

    def _take(self, answer: str) -> None:
        _, pid, code = answer.split()
        self._exit_codes[int(pid)] = int(code)

    def _has_answer(self) -> bool:
        assert self._server.stdout is not None
        # One that is closed has told all: no answer is waited for.
        return (
            bool(self._answers)
            or self._server.stdout.closed
            or bool(select.select([self._server.stdout], [], [], 0)[0])
        )

    def _next_answer(self) -> str:
        """Wait for an answer; empty where the server has ended."""
        assert self._server.stdout is not None
        while not self._answers:
            if self._server.stdout.closed:
                return ""
            received = os.read(self._server.stdout.fileno(), _CHUNK)
            if not received:
                return ""
            *lines, self._rest = (self._rest + received).split(b"\n")
            self._answers += [line.decode() for line in lines]
        return self._answers.pop(0)


class ForkedProcess:
    """A child of a server, with what ``subprocess.Popen`` would offer."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self._server, self.pid = server, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the process goes on."""
        if self.returncode is None:
            self.returncode = self._server.exit_code(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when there is one.

        Raises:
            subprocess.TimeoutExpired: there is none within ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            time.sleep(_PAUSE)
        return code

    def send_signal(self, signum: int) -> None:
        """Send a signal to a process that goes on."""
        if self.poll() is None:
            os.kill(self.pid, signum)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def serve() -> int:
    """Fork a child for each request at the standard input, until that is closed; return the exit code.

    Returns in each child, too, with the child's exit code, so that a child leaves as a program does.
    """
    answers = os.dup(1)
    _redirect(os.open(os.devnull, os.O_WRONLY), 1)  # what is imported may print
    _preload()
    ended, wakeup = os.pipe()
    for end in (ended, wakeup):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda signum, frame: None)
    _answer(answers, _READY)
    children: set[int] = set()
    received = b""
    while True:
        ready, _, _ = select.select([0, ended], [], [])
        if ended in ready:
            os.read(ended, _CHUNK)
            _collect(children, answers)
        if 0 in ready:
            more = os.read(0, _CHUNK)
            if not more:
                return _leave(children, answers)
            *requests, received = (received + more).split(b"\n")
            for request in requests:
                server = os.getpid()
                pid = os.fork()
                if pid == 0:
                    for descriptor in (answers, ended, wakeup):
                        os.close(descriptor)
                    return _carry_out(json.loads(request), server)
                children.add(pid)
                _answer(answers, f"started {pid}")


def _preload() -> None:
    import usb_negsamp

    for name in _PRELOADED:
        importlib.import_module(name)
    usb_negsamp.register()
    gc.collect()
    gc.freeze()  # a collection in a child would touch, and so copy, what all of them share


def _redirect(source: int, descriptor: int) -> None:
    os.dup2(source, descriptor)
    os.close(source)


def _answer(answers: int, line: str) -> None:
    os.write(answers, f"{line}\n".encode())


def _collect(children: set[int], answers: int) -> None:
    """Tell of the children that have ended."""
    for pid in tuple(children):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            children.remove(pid)
            _answer(answers, f"ended {pid} {os.waitstatus_to_exitcode(status)}")


def _leave(children: set[int], answers: int) -> int:
    """Nobody asks any more: have the children save and leave, and wait for them."""
    for pid in children:
        os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(BrokenPipeError):  # whoever asked may be gone
        while children:
            _collect(children, answers)
            time.sleep(_PAUSE)
    for pid in children:
        os.waitpid(pid, 0)
    return 0


def _carry_out(request: dict[str, Any], server: int) -> int:
    """In a child: become the program that is asked for, and return its exit code."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Signals that clusters announce a time limit with would end a run unsaved; whoever started it answers those.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.setsid()
    die_with_parent()
    if os.getppid() != server:  # it was killed in between
        return 128 + signal.SIGTERM
    _redirect(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "output"), (2, "errors")):
        _redirect(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666), descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["directory"])
    sys.path[:] = request["path"] or [request["directory"], *sys.path[1:]]
    sys.argv = ["usb-negsamp", *request["arguments"]]
    module, _, name = request["call"].partition(":")
    code = getattr(importlib.import_module(module), name)(request["arguments"])
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(serve())
