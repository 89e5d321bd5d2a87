"""Images of other data sets, on which a network should not be confident (key ``ood_data``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from usb_negsamp.data.sources.decoding import decode_images
from usb_negsamp.data.sources.picture_files import each_once, picture_files
from usb_negsamp.data.sources.registry import HOST_SOURCES, SOURCES, load_source
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.value_types import FOLDER


def load_outliers(name: str, *, data_dir: str | Path, img_size: int) -> np.ndarray:
    """Return the images of another data set: its test part, or else its training part; (N, H, W, 3) uint8.

    Args:
        name: a source of ours, or the path of a folder: the pictures below its ``test`` or ``train`` folder or, where
            it has neither, all pictures below it.
        data_dir: where the sources lie; a folder's path does not depend on it.
        img_size: side of the images, in pixels; others are resized (bicubic).

    Raises:
        ConfigError: no such source or folder, no pictures, or data that cannot be had.
    """
    names = sorted({*SOURCES, *HOST_SOURCES} - {FOLDER})
    if name in names:
        source = load_source(name, data_dir=data_dir, img_size=img_size)
        return np.asarray((source.test or source.train).images)
    folder = Path(name).expanduser()
    if name == FOLDER or (not folder.is_dir() and len(folder.parts) > 1):
        raise ConfigError(f"ood_data: expected a data set or the path of a folder of pictures, but got {name!r}")
    if not folder.is_dir():
        raise unknown("ood_data", name, names)
    part = next((folder / part for part in ("test", "train") if (folder / part).is_dir()), folder)
    files = [picture.path for picture in each_once(picture_files(part))]
    if not files:
        raise ConfigError(f"ood_data: {part} holds no images")
    return decode_images(files, img_size)


def outlier_name(name: str) -> str:
    """Return the name under which figures on ``name`` are shown: the last part of a path.

    >>> outlier_name("svhn"), outlier_name("pictures/other/")
    ('svhn', 'other')
    """
    return Path(name).name
