"""Whether a folder can be written into: what lies where the folder, and its files, come to be."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from usb_negsamp.errors import ConfigError, quoted


def check_folder(directory: Path, what: str) -> None:
    """Refuse a folder that cannot be made or written into. Touches nothing.

    Args:
        directory: need not be there.
        what: whose folder it is, for the message, e.g. ``"run"``.

    Raises:
        ConfigError: it is one.
    """
    if "\0" in str(directory):
        raise ConfigError(f"{str(directory)!r} cannot be the {what}'s folder: a name in it holds a zero byte")
    existing = directory
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise ConfigError(f"{directory} cannot be the {what}'s folder: {existing} is {_kind(existing)}")
    longest = os.pathconf(existing, "PC_NAME_MAX")
    if any(len(os.fsencode(part)) > longest for part in directory.parts):
        shown = quoted(str(directory))
        raise ConfigError(f"{shown} cannot be the {what}'s folder: a name in it is longer than {longest} bytes")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{directory} cannot be the {what}'s folder: {existing} is not writable")


def check_files(directory: Path, files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Refuse a folder in which something else lies where a file or a folder of ours comes to be. Touches nothing.

    Args:
        directory: need not be there.
        files: names of files.
        folders: names of folders.

    Raises:
        ConfigError: the first that is something else.
    """
    for names, is_right, right in ((files, Path.is_file, "file"), (folders, Path.is_dir, "folder")):
        for name in names:
            path = directory / name
            if os.path.lexists(path) and not is_right(path):
                raise ConfigError(
                    f"{path} is {_kind(path)}, but a {right} of that name comes to be there: move it away, or choose "
                    "another folder"
                )


def _kind(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return "a link that leads to nothing"
    if path.is_dir():
        return "a folder"
    return "a file" if path.is_file() else "neither a file nor a folder"
