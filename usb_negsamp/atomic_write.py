"""The one way in which a file is replaced: written beside its place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".writing"
_LEFTOVER = re.compile(rf"\..+\.([0-9]+){re.escape(SUFFIX)}")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file that takes the place of ``path`` when the block ends: readers find the old one or the new one, whole.

    Until then it is called ``.NAME.PID.writing``. Its content is on the disk before it has its name, so that a power
    cut leaves no empty file. A block that fails leaves ``path`` as it was and nothing beside it. What a symbolic link
    names is replaced, not the link, and permissions stay.
    """
    place = Path(os.path.realpath(path))
    beside = place.with_name(f".{place.name}.{os.getpid()}{SUFFIX}")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            shutil.copymode(place, beside)
        os.replace(beside, place)
    finally:
        beside.unlink(missing_ok=True)
    _flush_folder(place.parent)


def write_atomically(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Replace ``path`` by a file of this content; text is written as UTF-8."""
    with replacing(path) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


def remove_leftovers(folder: Path, *, below: bool = False) -> None:
    """Remove what processes left in ``folder`` that were killed while they replaced a file.

    For whoever has the folder to itself and writes nothing yet: what a process that is at work on this machine is
    writing stays, but one on another machine cannot be asked.

    Args:
        folder: need not be there.
        below: in the folders in it as well.
    """
    for path in (folder.rglob if below else folder.glob)(f".*{SUFFIX}"):
        match = _LEFTOVER.fullmatch(path.name)
        if match and not _is_at_work(int(match[1])):
            path.unlink(missing_ok=True)


def _is_at_work(process: int) -> bool:
    """Whether another process of that number is running."""
    if process == os.getpid():
        # In a container every run has the same number; this one has written nothing yet.
        return False
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _flush_folder(folder: Path) -> None:
    """Have the new name on the disk, too. Platforms that cannot flush a folder keep names safe by other means."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
