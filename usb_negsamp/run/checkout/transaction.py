"""Replacing several files all together or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from usb_negsamp.atomic_write import SUFFIX


def replace_all(changes: Mapping[Path, bytes | None]) -> None:
    """Give every path its content, or remove it where that is None; if anything fails, nothing is changed.

    All contents are on the disk beside their places, and the old files kept by a second name, before the first is
    renamed: what can fail for lack of room fails before anything has changed, and going back needs no room.

    Raises:
        OSError: a file cannot be written or renamed.
    """
    places = {Path(os.path.realpath(path)): content for path, content in changes.items()}
    written: dict[Path, Path] = {}
    kept: dict[Path, Path] = {}
    done: list[Path] = []
    try:
        for place, content in places.items():
            if content is not None:
                written[place] = _beside(place, "new")
                _write_through(written[place], content)
            if place.exists():
                kept[place] = _beside(place, "old")
                _second_name(place, kept[place])
                if content is not None:
                    shutil.copymode(place, written[place])
        for place, content in places.items():
            if content is None:
                place.unlink(missing_ok=True)
            else:
                os.replace(written[place], place)
            done.append(place)
    except OSError:
        for place in reversed(done):
            if place in kept:
                os.replace(kept[place], place)
            else:
                place.unlink(missing_ok=True)
        raise
    finally:
        for beside in (*written.values(), *kept.values()):
            beside.unlink(missing_ok=True)


def _beside(place: Path, kind: str) -> Path:
    return place.with_name(f".{place.name}.{kind}.{os.getpid()}{SUFFIX}")


def _write_through(path: Path, content: bytes) -> None:
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # A full disk is reported without a name.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _second_name(path: Path, name: Path) -> None:
    try:
        os.link(path, name)
    except OSError:
        # Not every file system has hard links.
        shutil.copy2(path, name)
