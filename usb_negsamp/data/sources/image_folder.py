"""Source ``image_folder``: a user's own pictures.

data_dir/train/CLASS/*       needed; the classes are the folder names, sorted
data_dir/unlabeled/**        optional; pictures without labels, at any depth, folder names ignored
data_dir/val/CLASS/*         optional; without it validation is cut from train
data_dir/test/CLASS/*        optional
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from usb_negsamp.data.sources.decoding import IMAGE_SUFFIXES, decode_images
from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource, channel_statistics
from usb_negsamp.errors import ConfigError, did_you_mean


def load_image_folder(data_dir: Path, img_size: int) -> ImageSource:
    """Return the pictures under ``data_dir``, decoded once, resized and center-cropped to ``img_size``.

    Mean and standard deviation are those of the training pictures.

    Args:
        data_dir: the folder described at the top of this module.
        img_size: side of the images, in pixels.

    Raises:
        ConfigError: a missing folder, an empty class, fewer than two classes, no pictures, a class of ``val`` or
            ``test`` that ``train`` lacks, or a file that does not decode.
    """
    root = data_dir / "train"
    if not root.is_dir():
        raise ConfigError(f"no folder {root}; expected {data_dir / 'train' / 'CLASS' / '*'} with one folder per class")
    classes = _class_folders(root)
    if len(classes) < 2:
        raise ConfigError(f"{root} holds {len(classes)} class folder(s), at least 2 are needed: train/CLASS/*")

    # Listing comes before decoding, so that a mistake in the last folder is not found after minutes of work.
    listed = {part: _labeled_files(data_dir / part, classes) for part in ("train", "val", "test")}
    pool = _unlabeled_files(data_dir / "unlabeled")

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
    )


Listing = tuple[list[Path], list[int]]
"""Files and their class indices."""


def _class_folders(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")))


def image_files(folder: Path) -> list[Path]:
    """List the pictures under ``folder`` at any depth, in an order that is the same on every file system."""
    found = []
    for directory, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        visible = (name for name in files if not name.startswith("."))  # macOS leaves ._name.jpg beside name.jpg
        found += [Path(directory, name) for name in visible if Path(name).suffix.lower() in IMAGE_SUFFIXES]
    return sorted(found, key=lambda path: path.as_posix())


def _labeled_files(folder: Path, classes: tuple[str, ...]) -> Listing | None:
    if not folder.is_dir():
        return None
    present = _class_folders(folder)
    if not present:
        raise ConfigError(f"{folder} has no class folders; expected {folder / 'CLASS' / '*'}")
    files: list[Path] = []
    targets: list[int] = []
    for name in present:
        if name not in classes:
            hint = did_you_mean(name, classes) or f"; train has: {', '.join(classes[:12])}"
            raise ConfigError(f"class {name!r} of {folder} is not a class of train{hint}")
        of_class = image_files(folder / name)
        if not of_class:
            suffixes = " ".join(sorted(IMAGE_SUFFIXES))
            raise ConfigError(f"class folder {folder / name} holds no images (known endings: {suffixes})")
        files += of_class
        targets += [classes.index(name)] * len(of_class)
    return files, targets


def _unlabeled_files(folder: Path) -> Listing | None:
    if not folder.is_dir():
        return None
    files = image_files(folder)
    if not files:
        raise ConfigError(f"{folder} holds no images; put some in or remove the folder")
    return files, [-1] * len(files)


def _decode(listing: Listing | None, img_size: int) -> ImageArrays | None:
    if listing is None:
        return None
    files, targets = listing
    return ImageArrays(decode_images(files, img_size), np.array(targets, dtype=np.int64))
