"""Saying what goes on where it takes long: lines of the logger ``usb_negsamp.data``, which the launcher shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

logger = logging.getLogger("usb_negsamp.data")

FIRST_AFTER = 1.0
EVERY = 10.0
"""Seconds until the first line, and between the others."""


@contextmanager
def announced(what: str, total: int | None = None, *, first: float = FIRST_AFTER) -> Iterator[Callable[[int], None]]:
    """Inside the block there is a line on ``what`` after a second, and one every ten seconds from then on.

    Args:
        what: what goes on.
        total: of how many items, where they are counted.
        first: seconds until the first line.

    Yields:
        what to call with the number of items that are done.
    """
    done, ended, began = [0], Event(), time.monotonic()

    def tell(number: int) -> None:
        done[0] = number

    def speak() -> None:
        wait = first
        while not ended.wait(wait):
            logger.info("%s", _line(what, done[0], total, time.monotonic() - began))
            wait = EVERY

    speaker = Thread(target=speak, daemon=True)
    speaker.start()
    try:
        yield tell
    finally:
        ended.set()
        speaker.join()


def _line(what: str, done: int, total: int | None, seconds: float) -> str:
    """What a line says: the items that are done or, where none are counted, for how long it has gone on.

    >>> _line("decoding", 1200, 5000, 3.0), _line("whitening", 0, None, 0.9), _line("whitening", 0, None, 21.0)
    ('decoding: 1200 of 5000', 'whitening', 'whitening: 21 s')
    """
    if total is not None:
        return f"{what}: {done} of {total}"
    return f"{what}: {seconds:.0f} s" if seconds >= EVERY else what
