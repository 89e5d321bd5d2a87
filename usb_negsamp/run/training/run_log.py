"""The log of a run: everything the host says goes to log.txt, warnings to the console too.

Nothing may be written before the run is built (the request may still turn out impossible), so the first lines wait in
memory until the directory is there.
"""

from __future__ import annotations

import logging
import logging.handlers
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from usb_negsamp.run.records.directory import LOG
from usb_negsamp.run.training.console import Console, ConsoleHandler, long_work_shown

_FORMAT = "[%(asctime)s %(levelname)s] %(message)s"


class RunLog:
    """A logger whose file is opened by :meth:`open`."""

    def __init__(self, console: Console) -> None:
        self.logger = logging.getLogger("usb_negsamp.run")
        self.logger.setLevel(logging.INFO if console.active else logging.WARNING)
        self.logger.propagate = False
        self._waiting = logging.handlers.MemoryHandler(100_000, logging.CRITICAL + 1, flushOnClose=False)
        self._file: logging.FileHandler | None = None
        self.logger.handlers = [self._waiting, ConsoleHandler(console)]

    def open(self, directory: Path) -> None:
        """Write what has waited, and everything from now on, to log.txt in ``directory``."""
        self._file = logging.FileHandler(directory / LOG, encoding="utf-8")
        self._file.setFormatter(logging.Formatter(_FORMAT))
        self._waiting.setTarget(self._file)
        self._waiting.flush()
        self.logger.removeHandler(self._waiting)
        self.logger.addHandler(self._file)

    def close(self) -> None:
        """Close the file; what still waits is dropped."""
        self.logger.handlers = []
        self._waiting.close()
        if self._file is not None:
            self._file.close()


@contextmanager
def run_log(console: Console) -> Iterator[RunLog]:
    """A run's log for the length of the block; Python's own warnings go to it and no longer tear the bar."""
    log = RunLog(console)
    shown = warnings.showwarning

    def to_log(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: object = None,
    ) -> None:
        log.logger.info("%s: %s (%s:%s)", category.__name__, message, Path(filename).name, lineno)

    warnings.showwarning = to_log
    try:
        with long_work_shown(console, log.logger):
            yield log
    finally:
        warnings.showwarning = shown
        log.close()
