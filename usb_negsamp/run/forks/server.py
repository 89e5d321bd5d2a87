"""A fork server as who asks it for processes sees it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from usb_negsamp.run.forks.program import CHUNK, READY

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What libraries read when they are imported; those of the server hold for its children."""
COMMAND_LINE = "usb_negsamp.run.cli.main:main"
"""What :meth:`ForkServer.start` calls for a command line of ``usb-negsamp``."""
_PAUSE = 0.02


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
            [sys.executable, "-m", "usb_negsamp.run.forks.program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
            start_new_session=True,
        )
        self._answers: list[str] = []
        self._rest = b""
        self._exit_codes: dict[int, int] = {}
        if self._next_answer() != READY:
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
        # One that has ended gives no answer, which says more than that the pipe is broken.
        with contextlib.suppress(BrokenPipeError):
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
            received = os.read(self._server.stdout.fileno(), CHUNK)
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
