"""Picture files below a folder, links followed, each known by the real path that its name leads to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from usb_negsamp.errors import ConfigError

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Endings of files that are taken for pictures; all other files are ignored."""


class PictureFile(NamedTuple):
    """A picture file.

    Attributes:
        path: the name that it was found under.
        real: its path without any symbolic link: the same for all names of one file.
    """

    path: Path
    real: str


def picture_files(folder: Path) -> list[PictureFile]:
    """List the pictures below ``folder`` at any depth, in an order that is the same on every file system.

    Hidden files and folders are left out (macOS leaves ``._name.jpg`` beside ``name.jpg``).

    Raises:
        ConfigError: a folder that cannot be read, a link to a folder that holds it, or a picture's name that leads to
            no file.
    """
    found: list[PictureFile] = []
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(folder), (os.path.realpath(folder),))]
    while waiting:
        name, opened = waiting.pop()
        for entry in _visible_entries(name):
            real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(opened[-1], entry.name)
            if os.path.isdir(real):
                if any(_is_within(inner, real) for inner in opened):
                    raise ConfigError(f"{entry.path} leads back to {real}, which holds it: remove that link")
                waiting.append((entry.path, (*opened, real)))
            elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
                if not os.path.isfile(real):
                    what = "a link that leads to none" if entry.is_symlink() else "none"
                    raise ConfigError(f"{entry.path}: expected a file with a picture, but it is {what}")
                found.append(PictureFile(Path(entry.path), real))
    return sorted(found, key=lambda picture: picture.path.as_posix())


def folders_in(folder: Path) -> list[str]:
    """Names of the folders directly in ``folder``, links to folders among them, sorted.

    Raises:
        ConfigError: it cannot be read, or holds a link that leads to nothing.
    """
    entries = _visible_entries(str(folder))
    for entry in entries:
        if entry.is_symlink() and not os.path.exists(entry.path):
            raise ConfigError(f"{entry.path} is a link that leads to nothing: mend or remove it")
    return sorted(entry.name for entry in entries if os.path.isdir(entry.path))


def is_folder(path: Path) -> bool:
    """Whether a folder is there; False where nothing is.

    Raises:
        ConfigError: something else is there, or a link that leads to none.
    """
    if os.path.lexists(path) and not path.is_dir():
        raise ConfigError(f"{path}: expected a folder, but it is {'a link to none' if path.is_symlink() else 'none'}")
    return path.is_dir()


def _visible_entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except OSError as error:
        raise ConfigError(f"cannot read the folder {folder}: {error.strerror}") from error


def _is_within(path: str, folder: str) -> bool:
    """Whether ``path`` is ``folder`` or lies in it; both are real paths."""
    return os.path.commonpath([path, folder]) == folder


def check_each_once(pictures: Iterable[PictureFile]) -> None:
    """Refuse a file that is there under two names.

    Raises:
        ConfigError: the first such file, with both names.
    """
    first: dict[str, Path] = {}
    for path, real in pictures:
        if real in first:
            raise ConfigError(
                f"{path} is the same file as {first[real]}: a picture may be once in train, val and test; remove one "
                "of its names"
            )
        first[real] = path


def each_once(pictures: Iterable[PictureFile], taken: Iterable[PictureFile] = ()) -> list[PictureFile]:
    """The pictures, in order, without further names of a file and without the files of ``taken``."""
    seen = {picture.real for picture in taken}
    kept = []
    for picture in pictures:
        if picture.real not in seen:
            seen.add(picture.real)
            kept.append(picture)
    return kept
