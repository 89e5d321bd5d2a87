"""Folders that a failed download has made go again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def no_empty_folders_left(folder: Path) -> Iterator[None]:
    """Where the block fails, remove the folders that it has made on the way to ``folder`` and in it, and left empty.

    Args:
        folder: where the block puts files; files stay where they are.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    there = set(folder.rglob("*"))
    try:
        yield
    except BaseException:
        below = sorted((path for path in folder.rglob("*") if path not in there), reverse=True)
        for path in (*(path for path in below if path.is_dir()), *made):
            with suppress(OSError):
                path.rmdir()
        raise
