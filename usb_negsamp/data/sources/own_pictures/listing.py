"""The picture files of a folder, by part and class, before any is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from usb_negsamp.data.sources.own_pictures.labels_csv import (
    Labeled,
    check_each_named_once,
    listed,
    read_labels,
    shown,
)
from usb_negsamp.data.sources.picture_files import (
    IMAGE_SUFFIXES,
    PictureFile,
    check_each_once,
    each_once,
    folders_in,
    is_folder,
    picture_files,
)
from usb_negsamp.errors import ConfigError, did_you_mean, expected

EVALUATED = ("val", "test")
"""Folders whose pictures are no training images."""


@dataclass(frozen=True)
class LabeledFiles:
    """Pictures with their classes' indices."""

    files: list[PictureFile]
    targets: list[int]


@dataclass(frozen=True)
class Listing:
    """What a folder of pictures holds.

    Attributes:
        classes: names, sorted; the position is the class index.
        parts: by the names ``train``, ``val`` and ``test``; None where there is no such part.
        unlabeled: pictures without a label; None where there are none.
        notes: what to say of how it was listed.
    """

    classes: tuple[str, ...]
    parts: dict[str, LabeledFiles | None]
    unlabeled: list[PictureFile] | None
    notes: tuple[str, ...] = ()


def class_names(data_dir: Path, labels_csv: Path | None = None) -> tuple[str, ...]:
    """Return the classes: the names of the folders in ``data_dir/train``, or the labels of the file, sorted.

    Raises:
        ConfigError: there is no such folder or file, or there are fewer than two classes.
    """
    if labels_csv is not None:
        return _classes(row.label for row in read_labels(labels_csv)) or _too_few(labels_csv)
    root = data_dir / "train"
    if not is_folder(root):
        raise ConfigError(f"no folder {root}; expected {data_dir / 'train' / 'CLASS' / '*'} with one folder per class")
    classes = tuple(folders_in(root))
    if len(classes) < 2:
        raise ConfigError(f"{root} holds {len(classes)} class folder(s), at least 2 are needed: train/CLASS/*")
    return classes


def list_pictures(data_dir: Path, labels_csv: Path | None = None) -> Listing:
    """List the pictures of ``data_dir``, which is laid out as :mod:`~usb_negsamp.data.sources.image_folder` says.

    Raises:
        ConfigError: a missing folder, an empty class, fewer than two classes, no pictures, a class of ``val`` or
            ``test`` that ``train`` lacks, a file in two places, a link in a circle; a row of ``labels_csv`` that names
            no picture or one that is named already, or a picture of ``val`` or ``test`` that none names.
    """
    return _by_folders(data_dir) if labels_csv is None else _by_rows(data_dir, labels_csv)


def _by_folders(data_dir: Path) -> Listing:
    classes = class_names(data_dir)
    parts = {part: _labeled_files(data_dir / part, classes) for part in ("train", *EVALUATED)}
    labeled = [picture for part in parts.values() if part is not None for picture in part.files]
    check_each_once(labeled)
    unlabeled, num_left_out = _unlabeled_files(data_dir / "unlabeled", labeled)
    left_out = f"left out of {data_dir / 'unlabeled'}, since their files are counted already: {num_left_out} names"
    return Listing(classes, parts, unlabeled, (left_out,) if num_left_out else ())


def _labeled_files(folder: Path, classes: tuple[str, ...]) -> LabeledFiles | None:
    if not is_folder(folder):
        return None
    present = folders_in(folder)
    if not present:
        raise ConfigError(f"{folder} has no class folders; expected {folder / 'CLASS' / '*'}")
    found = LabeledFiles([], [])
    for name in present:
        if name not in classes:
            hint = did_you_mean(name, classes) or f"; train has: {', '.join(classes[:12])}"
            raise ConfigError(f"class {name!r} of {folder} is not a class of train{hint}")
        of_class = picture_files(folder / name)
        if not of_class:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise ConfigError(f"class folder {folder / name} holds no images (known endings: {suffixes})")
        found.files.extend(of_class)
        found.targets.extend([classes.index(name)] * len(of_class))
    return found


def _unlabeled_files(folder: Path, labeled: list[PictureFile]) -> tuple[list[PictureFile] | None, int]:
    """The pictures without labels, and how many names in ``folder`` are left out."""
    if not is_folder(folder):
        return None, 0
    found = picture_files(folder)
    files = each_once(found, labeled)
    if not files:
        other = "no other than those of train, val and test" if found else "no images"
        raise ConfigError(f"{folder} holds {other}; put some in or remove the folder")
    return files, len(found) - len(files)


def _by_rows(data_dir: Path, labels_csv: Path) -> Listing:
    if not is_folder(data_dir):
        raise ConfigError(f"no folder {data_dir}; expected the pictures that {labels_csv} names")
    rows = read_labels(labels_csv)
    classes = _classes(row.label for row in rows) or _too_few(labels_csv)
    found = picture_files(data_dir)
    pictures = {picture.real: picture for picture in each_once(found)}
    by_file = [(row, os.path.realpath(data_dir / row.file)) for row in rows]
    unknown = [f"{shown(row.file)} (line {row.line})" for row, real in by_file if real not in pictures]
    if unknown:
        raise expected(f"labels_csv {labels_csv}", f"names of pictures in {data_dir}", listed(unknown))
    check_each_named_once(labels_csv, by_file)
    labels = {real: row for row, real in by_file}
    parts = {part: _part_of_rows(data_dir, part, pictures.values(), labels, classes) for part in ("train", *EVALUATED)}
    _check_all_named(data_dir, labels_csv, pictures.values(), labels)
    train = parts["train"]
    lacking = sorted(set(range(len(classes))) - set(train.targets if train else ()))
    if lacking:
        raise ConfigError(f"labels_csv {labels_csv}: class {classes[lacking[0]]} has no training image")
    rest = [picture for real, picture in pictures.items() if real not in labels]
    return Listing(classes, parts, rest or None)


def _part_of_rows(
    data_dir: Path, part: str, pictures: Iterable[PictureFile], labels: dict[str, Labeled], classes: tuple[str, ...]
) -> LabeledFiles | None:
    index = {name: label for label, name in enumerate(classes)}
    of_part = [one for one in pictures if one.real in labels and _part_of(data_dir, one) == part]
    return LabeledFiles(of_part, [index[labels[one.real].label] for one in of_part]) if of_part else None


def _check_all_named(
    data_dir: Path, labels_csv: Path, pictures: Iterable[PictureFile], labels: dict[str, Labeled]
) -> None:
    without = [
        str(one.path.relative_to(data_dir))
        for one in pictures
        if one.real not in labels and _part_of(data_dir, one) != "train"
    ]
    if without:
        raise ConfigError(
            f"labels_csv {labels_csv}: expected a label of every picture in val and test, but got none of "
            f"{listed(without)}"
        )


def _part_of(data_dir: Path, picture: PictureFile) -> str:
    """The part of a picture by the folder in ``data_dir`` that it lies in: that of no part is training images'."""
    first = picture.path.relative_to(data_dir).parts[0]
    return first if first in EVALUATED else "train"


def _classes(labels: Iterable[str]) -> tuple[str, ...] | None:
    """The labels, each once and sorted; None where there are fewer than two."""
    classes = tuple(sorted(set(labels)))
    return classes if len(classes) >= 2 else None


def _too_few(labels_csv: Path) -> tuple[str, ...]:
    raise ConfigError(f"labels_csv {labels_csv}: expected at least 2 classes, but all rows have the same label")
