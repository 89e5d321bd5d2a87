"""A fork server as a program: ``python -m usb_negsamp.run.forks.program``, requests in, answers out, a line each."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
import time
from typing import Any

READY = "ready"
"""The first answer, once all is imported."""
CHUNK = 65536
_PAUSE = 0.02
_PRELOADED = (
    *("matplotlib.backends.backend_agg", "matplotlib.pyplot", "sklearn.datasets"),
    *("usb_negsamp.run.cli.all_commands", "usb_negsamp.run.training.run"),
)
_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>


def die_with_parent() -> None:
    """Have this process told to leave (SIGTERM) when the one that started it is killed; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


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
    _answer(answers, READY)
    children: set[int] = set()
    received = b""
    while True:
        ready, _, _ = select.select([0, ended], [], [])
        if ended in ready:
            os.read(ended, CHUNK)
            _collect(children, answers)
        if 0 in ready:
            more = os.read(0, CHUNK)
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
