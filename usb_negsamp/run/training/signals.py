"""SIGINT and SIGTERM: finish the step, save a checkpoint, leave. A second SIGINT kills at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from usb_negsamp.host import Hook
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.training.process_group import wait_for_all

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """The run was asked to stop, and its state is saved."""

    def __init__(self, signum: int, iterations_done: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum
        self.iterations_done = iterations_done


class Flag:
    """The signal that came, if any."""

    def __init__(self) -> None:
        self.signum = 0
        self._process_id = os.getpid()

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Remember the signal; the handler of both signals."""
        if os.getpid() != self._process_id:
            # A data-loading worker, forked with our handlers: a SIGINT from the keyboard reaches it too and is the
            # parent's to answer; a SIGTERM is the parent ending it.
            if signum == signal.SIGTERM:
                _die_of(signum)
            return
        if self.signum and signum == signal.SIGINT:
            _die_of(signum)
        self.signum = signum


def _die_of(signum: int) -> None:
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


@contextmanager
def watching() -> Iterator[Flag]:
    """Give a flag that SIGINT and SIGTERM set; the handlers that were there before are put back after."""
    flag = Flag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {signum: signal.signal(signum, flag.handle) for signum in SIGNALS}
    try:
        yield flag
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class InterruptionHook(Hook):
    """Ends the run after the step in which a signal came. Registered last: the step's other hooks are done.

    Several processes must leave after the same step, so there they ask each other, every ``num_log_iter`` steps.
    """

    def __init__(self, flag: Flag, process: Process, save: Callable[[Any], Any]) -> None:
        self.flag = flag
        self.process = process
        self.save = save

    def after_train_step(self, algorithm: Any) -> None:
        """Save and raise :class:`Interrupted` if a signal came."""
        if self.process.distributed and not self.every_n_iters(algorithm, algorithm.num_log_iter):
            return
        signum = agreed_signal(self.flag, self.process, algorithm)
        if signum:
            if self.process.is_main:
                self.save(algorithm)
            # The first process to leave makes torchrun end the others, so nobody leaves while one still writes.
            wait_for_all(self.process)
            raise Interrupted(signum, algorithm.it + 1)


def agreed_signal(flag: Flag, process: Process, algorithm: Any) -> int:
    """Return the signal that came to any of the processes, or 0. Every process must call it at the same point."""
    if not process.distributed:
        return flag.signum
    import torch

    value = torch.tensor(flag.signum, device=next(algorithm.model.parameters()).device)
    torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MAX)
    return int(value.item())
