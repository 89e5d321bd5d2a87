"""Source ``image_folder``: a user's own pictures.

data_dir/train/CLASS/*       needed; the classes are the folder names, sorted
data_dir/unlabeled/**        optional; pictures without labels, at any depth, folder names ignored
data_dir/val/CLASS/*         optional; without it validation is cut from train
data_dir/test/CLASS/*        optional

Symbolic links are followed. A file has one place in train, val and test, whatever its names; in unlabeled, further
names of a file that is there already, or that has a label, are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from usb_negsamp.data.sources.decoding import decode_images
from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource, channel_statistics
from usb_negsamp.data.sources.picture_files import (
    IMAGE_SUFFIXES,
    PictureFile,
    check_each_once,
    each_once,
    folders_in,
    is_folder,
    picture_files,
)
from usb_negsamp.errors import ConfigError, did_you_mean


def load_image_folder(data_dir: Path, img_size: int) -> ImageSource:
    """Return the pictures under ``data_dir``, decoded once, resized and center-cropped to ``img_size``.

    Mean and standard deviation are those of the training pictures.

    Args:
        data_dir: the folder described at the top of this module.
        img_size: side of the images, in pixels.

    Raises:
        ConfigError: a missing folder, an empty class, fewer than two classes, no pictures, a class of ``val`` or
            ``test`` that ``train`` lacks, a file in two places, a link in a circle, or a file that does not decode.
    """
    root = data_dir / "train"
    if not is_folder(root):
        raise ConfigError(f"no folder {root}; expected {data_dir / 'train' / 'CLASS' / '*'} with one folder per class")
    classes = tuple(folders_in(root))
    if len(classes) < 2:
        raise ConfigError(f"{root} holds {len(classes)} class folder(s), at least 2 are needed: train/CLASS/*")

    # Listing comes before decoding, so that a mistake in the last folder is not found after minutes of work.
    listed = {part: _labeled_files(data_dir / part, classes) for part in ("train", "val", "test")}
    labeled = [picture for listing in listed.values() if listing is not None for picture in listing[0]]
    check_each_once(labeled)
    pool, num_left_out = _unlabeled_files(data_dir / "unlabeled", labeled)

    train = _decode(listed["train"], img_size)
    assert train is not None
    mean, std = channel_statistics(train.images)
    return ImageSource(
        name="image_folder",
        classes=classes,
        train=train,
        unlabeled=_decode(pool, img_size),
        validation=_decode(listed["val"], img_size),
        test=_decode(listed["test"], img_size),
        mean=mean,
        std=std,
        horizontal_flip=True,
        notes=_notes(data_dir / "unlabeled", num_left_out),
    )


Listing = tuple[list[PictureFile], list[int]]
"""Files and their class indices."""


def _labeled_files(folder: Path, classes: tuple[str, ...]) -> Listing | None:
    if not is_folder(folder):
        return None
    present = folders_in(folder)
    if not present:
        raise ConfigError(f"{folder} has no class folders; expected {folder / 'CLASS' / '*'}")
    files: list[PictureFile] = []
    targets: list[int] = []
    for name in present:
        if name not in classes:
            hint = did_you_mean(name, classes) or f"; train has: {', '.join(classes[:12])}"
            raise ConfigError(f"class {name!r} of {folder} is not a class of train{hint}")
        of_class = picture_files(folder / name)
        if not of_class:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise ConfigError(f"class folder {folder / name} holds no images (known endings: {suffixes})")
        files += of_class
        targets += [classes.index(name)] * len(of_class)
    return files, targets


def _unlabeled_files(folder: Path, labeled: list[PictureFile]) -> tuple[Listing | None, int]:
    """The pictures without labels, and how many names in ``folder`` are left out."""
    if not is_folder(folder):
        return None, 0
    found = picture_files(folder)
    files = each_once(found, labeled)
    if not files:
        other = "no other than those of train, val and test" if found else "no images"
        raise ConfigError(f"{folder} holds {other}; put some in or remove the folder")
    return (files, [-1] * len(files)), len(found) - len(files)


def _notes(folder: Path, num_left_out: int) -> tuple[str, ...]:
    return (
        (f"left out of {folder}, since their files are counted already: {num_left_out} names",) if num_left_out else ()
    )


def _decode(listing: Listing | None, img_size: int) -> ImageArrays | None:
    if listing is None:
        return None
    files, targets = listing
    return ImageArrays(decode_images([file.path for file in files], img_size), np.array(targets, dtype=np.int64))
