"""What a folder of pictures holds, counted file by file, and everything in it that training would not take."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources.decoding import FORMATS, UnreadableImage, decode_image
from usb_negsamp.data.sources.own_pictures.listing import EVALUATED, Listing, list_pictures
from usb_negsamp.data.sources.picture_files import PictureFile, picture_files
from usb_negsamp.errors import ConfigError

SIDE = 32
"""Pixels a side to which pictures are decoded, to see whether they can be."""


@dataclass(frozen=True)
class Survey:
    """What was found.

    Attributes:
        problem: why the pictures cannot be listed as parts and classes; None where they can.
        classes: names.
        counts: pictures of each class, by the names of the parts that are there.
        num_unlabeled: pictures without a label.
        sizes: how many pictures have each (width, height).
        modes: how many pictures have each mode of Pillow's.
        formats: how many pictures have each format.
        num_animated: pictures of several frames, of which the first is read.
        bad: files that cannot be decoded.
        notes: what to say of how they were listed.
    """

    problem: str | None
    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    num_unlabeled: int
    sizes: Counter[tuple[int, int]]
    modes: Counter[str]
    formats: Counter[str]
    num_animated: int
    bad: list[UnreadableImage]
    notes: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Pictures that can be decoded."""
        return sum(self.modes.values())


@dataclass(frozen=True)
class _Look:
    size: tuple[int, int]
    mode: str
    format: str
    animated: bool


def survey(data_dir: Path, labels_csv: Path | None = None) -> Survey:
    """Look at every picture of ``data_dir`` once.

    Where they cannot be listed by parts and classes, the pictures at any depth of the folder are looked at.

    Args:
        data_dir: laid out as :mod:`~usb_negsamp.data.sources.image_folder` says.
        labels_csv: the file of the labels; None: the folders' names are the labels.

    Raises:
        ConfigError: there is no such folder, or what is in it cannot be listed at all.
    """
    if not data_dir.is_dir():
        raise ConfigError(f"no folder {data_dir}; expected one with pictures")
    problem: str | None = None
    listing = Listing((), {}, None)
    try:
        listing = list_pictures(data_dir, labels_csv)
        pictures = _all_of(listing)
    except ConfigError as error:
        problem, pictures = str(error), picture_files(data_dir)
    looks, bad = _look_at(pictures)
    classes = listing.classes
    parts = {part: listing.parts.get(part) for part in ("train", *EVALUATED)}
    counts = {
        part: [found.targets.count(label) for label in range(len(classes))] for part, found in parts.items() if found
    }
    return Survey(
        problem,
        classes,
        counts,
        len(listing.unlabeled or ()),
        Counter(look.size for look in looks),
        Counter(look.mode for look in looks),
        Counter(look.format for look in looks),
        sum(look.animated for look in looks),
        bad,
        listing.notes,
    )


def _all_of(listing: Listing) -> list[PictureFile]:
    labeled = [picture for part in listing.parts.values() if part for picture in part.files]
    return [*labeled, *(listing.unlabeled or ())]


def _look_at(pictures: Sequence[PictureFile]) -> tuple[list[_Look], list[UnreadableImage]]:
    looks: list[_Look] = []
    bad: list[UnreadableImage] = []
    with (
        announced("looking at pictures", len(pictures)) as tell,
        ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool,
    ):
        for number, found in enumerate(pool.map(_look, (picture.path for picture in pictures)), 1):
            if isinstance(found, _Look):
                looks.append(found)
            else:
                bad.append(found)
            tell(number)
    return looks, bad


def _look(file: Path) -> _Look | UnreadableImage:
    try:
        decode_image(file, SIDE)
    except UnreadableImage as error:
        return error
    with Image.open(file, formats=FORMATS) as opened:
        return _Look(opened.size, opened.mode, opened.format or "", bool(getattr(opened, "is_animated", False)))
