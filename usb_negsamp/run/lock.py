"""One process at a time in a folder."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from usb_negsamp.errors import ConfigError

LOCK = ".lock"


@contextmanager
def alone(directory: Path, what: str) -> Iterator[None]:
    """Keep other processes out of ``directory`` for the length of the block. The lock goes when the process does.

    Args:
        directory: is there.
        what: what is at work there, for the message.

    Raises:
        ConfigError: another process is in it.
    """
    with (directory / LOCK).open("w") as file:
        try:
            # Not flock: a loader's worker would inherit that, and hold it after its parent was killed.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise ConfigError(f"another {what} is at work in {directory}") from None
            # A file system without locks.
        yield
