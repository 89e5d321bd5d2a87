"""What a person sees while a run goes on: lines, and a bar that lines do not tear."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO


class Console:
    """Lines and a bar on standard error; silent in every process but the first."""

    def __init__(self, active: bool = True, stream: TextIO | None = None) -> None:
        """Write to ``stream`` (standard error if None), or nowhere unless ``active``."""
        self.active = active
        self.stream = stream if stream is not None else sys.stderr
        self.is_terminal = active and self.stream.isatty() and _has_width(self.stream)

    def line(self, text: str) -> None:
        """Show one line, above the bar if there is one."""
        if not self.active:
            return
        if self.is_terminal:
            from tqdm import tqdm

            tqdm.write(text, file=self.stream)
        else:
            print(text, file=self.stream, flush=True)

    def bar(self, total: int, done: int, unit: str = "it") -> Any:
        """Return a progress bar over ``total`` iterations of which ``done`` are done, or None where none can be."""
        if not self.is_terminal:
            return None
        from tqdm import tqdm

        return tqdm(total=total, initial=done, file=self.stream, unit=unit, dynamic_ncols=True, smoothing=0.1)


def _has_width(stream: TextIO) -> bool:
    """Return False for a terminal of no known width (in some containers and recorders), where tqdm shows nothing."""
    try:
        return os.get_terminal_size(stream.fileno()).columns > 0
    except OSError:
        return True


class ConsoleHandler(logging.Handler):
    """Shows warnings of a run's log as lines."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Show the message alone; time and level are in log.txt."""
        self.console.line(record.getMessage())


class LongWorkHandler(logging.Handler):
    """Shows what is said of work that takes long as lines, and hands it on to a run's log, if there is one."""

    def __init__(self, console: Console, log: logging.Logger | None) -> None:
        super().__init__(logging.INFO)
        self.console, self.log = console, log

    def emit(self, record: logging.LogRecord) -> None:
        """Show the message."""
        self.console.line(f"usb-negsamp: {record.getMessage()}")
        if self.log is not None:
            self.log.info("%s", record.getMessage())


@contextmanager
def long_work_shown(console: Console, log: logging.Logger | None = None) -> Iterator[None]:
    """Inside the block the console shows what :mod:`usb_negsamp.data` says of work that takes long."""
    from usb_negsamp.data.announcing import logger

    handler, level = LongWorkHandler(console, log), logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
