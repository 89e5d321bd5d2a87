"""SIGINT and SIGTERM: the first is remembered, for whoever is at work to leave in order. A second SIGINT kills."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Flag:
    """The signal that came, if any."""

    def __init__(self) -> None:
        self.signum = 0
        self._process_id = os.getpid()

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """Remember the signal; the handler of both signals."""
        if os.getpid() != self._process_id:
            # A data-loading worker, just forked with our handlers: what reaches it too is the parent's to answer.
            return
        if self.signum and signum == signal.SIGINT:
            _die_of(signum)
        self.signum = signum


def _die_of(signum: int) -> None:
    signal.signal(signum, signal.SIG_DFL)
    os.kill(os.getpid(), signum)


@contextmanager
def catch_signals(flag: Flag | None = None) -> Iterator[Flag]:
    """Give ``flag``, or a new one, that SIGINT and SIGTERM set; handlers that were there before are put back after."""
    flag = Flag() if flag is None else flag
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {signum: signal.signal(signum, flag.handle) for signum in SIGNALS}
    try:
        yield flag
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
