"""A log file in which every line stands once (V29).

What is wrong: ``core/utils/build.py`` ``get_logger`` adds a file handler at every call (the AimHook calls it again),
and relies on the level of the root logger. How it shows: each line twice or more, lines of one run in the log of an
earlier one of the same name, no lines at all where the root logger was set up by somebody else. How it is mended: a
logger has one file, that of the last call, and its own level. When it may go: when the host looks before it adds.
"""

from __future__ import annotations

import functools
import logging
import os

from semilearn.core.utils import build

from usb_negsamp.host.patching import replace_everywhere

FORMAT = "[%(asctime)s %(levelname)s] %(message)s"


class RunLog(logging.FileHandler):
    """The handler of a run's ``log.txt``."""


def _is_open(handler: RunLog, path: str) -> bool:
    # A rerun deletes the folder of the run: the handler would go on writing to a file without a name.
    return handler.baseFilename == path and os.path.exists(path)


def apply() -> None:
    """Replace ``get_logger``."""
    original = build.get_logger

    @functools.wraps(original)
    def get_logger(name: str, save_path: str | None = None, level: str = "INFO") -> logging.Logger:
        if not logging.root.handlers:
            logging.basicConfig(format=FORMAT, level=getattr(logging, level))
        logger = logging.getLogger(name)
        logger.setLevel(getattr(logging, level))
        if save_path is None:
            return logger
        path = os.path.abspath(os.path.join(save_path, "log.txt"))
        kept = False
        for handler in [handler for handler in logger.handlers if isinstance(handler, RunLog)]:
            if _is_open(handler, path) and not kept:
                kept = True
                continue
            logger.removeHandler(handler)
            handler.close()
        if not kept:
            os.makedirs(save_path, exist_ok=True)
            handler = RunLog(path, encoding="utf-8")
            handler.setFormatter(logging.Formatter(FORMAT))
            logger.addHandler(handler)
        return logger

    replace_everywhere(original, get_logger)
