"""Source ``image_folder``: a user's own pictures.

data_dir/train/CLASS/*       needed; the classes are the folder names, sorted
data_dir/unlabeled/**        optional; pictures without labels, at any depth, folder names ignored
data_dir/val/CLASS/*         optional; without it validation is cut from train
data_dir/test/CLASS/*        optional

With ``labels_csv``, a file with the columns ``file`` and ``label``, pictures lie anywhere below data_dir: those that it
names have its labels, the others none. What lies in data_dir/val and data_dir/test is validation and test, and needs a
label; the folders' names say nothing else.

Symbolic links are followed. A file has one place in train, val and test, whatever its names; in unlabeled, further
names of a file that is there already, or that has a label, are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from usb_negsamp.data.memory import memory_of_machine
from usb_negsamp.data.sources.decoded_files import decode_once
from usb_negsamp.data.sources.decoding import Decoded, UnreadableImage, all_unreadable, decode_readable
from usb_negsamp.data.sources.image_source import ChannelCounts, ImageArrays, ImageSource
from usb_negsamp.data.sources.images_in_files import ImagesInFiles, look_through
from usb_negsamp.data.sources.own_pictures.listing import EVALUATED, LabeledFiles, Listing, list_pictures
from usb_negsamp.data.sources.own_pictures.options import FolderOptions
from usb_negsamp.data.sources.picture_files import PictureFile
from usb_negsamp.errors import ConfigError
from usb_negsamp.value_types import FOLDER

LARGEST_SHARE_OF_MEMORY = 0.5
"""What all pictures together may take of the machine's memory when they are kept there."""


def load_image_folder(data_dir: Path, img_size: int, options: FolderOptions | None = None) -> ImageSource:
    """Return the pictures under ``data_dir``, resized and center-cropped to ``img_size``.

    They are decoded once and kept, in memory or in a folder that later runs read them from, or, where they are too many
    for memory, looked through once and decoded again each time they are asked for. Mean and standard deviation are
    those of the training pictures.

    Args:
        data_dir: the folder described at the top of this module.
        img_size: side of the images, in pixels.
        options: how they are read; None: as the keys' defaults say.

    Raises:
        ConfigError: what :func:`~usb_negsamp.data.sources.own_pictures.listing.list_pictures` raises; files that do not
            decode, unless they are left out; a class of which none does.
    """
    options, data_dir = options or FolderOptions(), data_dir.expanduser()
    # Listing comes before decoding, so that a mistake in the last folder is not found after minutes of work.
    listing = list_pictures(data_dir, options.labels_csv)
    reader = _Reader(img_size, is_lazy(listing, img_size, options), options.decoded_dir)
    counts = ChannelCounts()
    train = reader.labeled(listing.parts["train"], counts.add)
    unlabeled = reader.unlabeled(listing.unlabeled)
    validation, test = (reader.labeled(listing.parts[part]) for part in EVALUATED)
    notes = (*listing.notes, *_notes_on(reader.bad, data_dir, options))
    if train is None:
        raise ConfigError(f"none of the training images in {data_dir} can be decoded")
    _check_classes_left(train.targets, listing.classes)
    mean, std = counts.statistics
    return ImageSource(
        name=FOLDER,
        classes=listing.classes,
        train=train,
        unlabeled=unlabeled,
        validation=validation,
        test=test,
        mean=mean,
        std=std,
        horizontal_flip=True,
        notes=(*notes, *reader.notes),
        log=tuple(f"left out: {bad.file}: {bad.reason}" for bad in reader.bad),
    )


def is_lazy(listing: Listing, img_size: int, options: FolderOptions) -> bool:
    """Whether pictures are decoded each time: as asked or, if nothing is, where they would fill half of memory.

    Those that a folder keeps are mapped from there, and fill no memory that others need.
    """
    if options.lazy is not None or options.decoded_dir is not None:
        return bool(options.lazy)
    number = sum(len(part.files) for part in listing.parts.values() if part) + len(listing.unlabeled or ())
    return 3 * number * img_size**2 > LARGEST_SHARE_OF_MEMORY * memory_of_machine()


class _Reader:
    """Reads the parts of a folder, one after the other, and collects the files that cannot be decoded."""

    def __init__(self, img_size: int, lazy: bool, decoded_dir: Path | None) -> None:
        self.img_size, self.lazy, self.decoded_dir = img_size, lazy, decoded_dir
        self.bad: list[UnreadableImage] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say of the way of reading."""
        return ("pictures are decoded each time they are asked for (lazy_images)",) if self.lazy else ()

    def labeled(self, part: LabeledFiles | None, see: Callable[[np.ndarray], None] | None = None) -> ImageArrays | None:
        """The images of a part; None where there is none, or nothing of it can be decoded."""
        return None if part is None else self._read(part.files, np.array(part.targets, dtype=np.int64), see)

    def unlabeled(self, files: Sequence[PictureFile] | None) -> ImageArrays | None:
        """The images without labels, likewise."""
        return None if files is None else self._read(files, np.full(len(files), -1, dtype=np.int64))

    def _read(
        self, files: Sequence[PictureFile], targets: np.ndarray, see: Callable[[np.ndarray], None] | None = None
    ) -> ImageArrays | None:
        paths = [file.path for file in files]
        see = see or _unseen
        if self.lazy:
            places, bad = look_through(paths, self.img_size, see)
            found = ImageArrays(ImagesInFiles([paths[place] for place in places], self.img_size), targets[places])
        else:
            images, places, bad = self._decode(paths)
            see(images)
            found = ImageArrays(images, targets[places])
        self.bad += bad
        return found if len(found) else None

    def _decode(self, paths: Sequence[Path]) -> Decoded:
        if self.decoded_dir is None:
            return decode_readable(paths, self.img_size)
        return decode_once(paths, self.img_size, self.decoded_dir)


def _unseen(images: np.ndarray) -> None:
    """Nobody wants to see them."""


def _notes_on(bad: Sequence[UnreadableImage], data_dir: Path, options: FolderOptions) -> tuple[str, ...]:
    """What to say of files that are left out.

    Raises:
        ConfigError: there are such, and nothing is to be left out.
    """
    if not bad:
        return ()
    if not options.skip_bad:
        labels = "" if options.labels_csv is None else f" --labels_csv {options.labels_csv}"
        raise all_unreadable(
            bad, f"; --skip_bad leaves such files out, `usb-negsamp doctor --data_dir {data_dir}{labels}` lists them"
        )
    return (f"left out: {all_unreadable(bad)}; log.txt names each",)


def _check_classes_left(targets: np.ndarray, classes: tuple[str, ...]) -> None:
    lacking = sorted(set(range(len(classes))) - set(targets.tolist()))
    if lacking:
        raise ConfigError(f"class {classes[lacking[0]]} has no training image that can be decoded")
