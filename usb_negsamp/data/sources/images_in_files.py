"""Pictures that are decoded each time they are asked for, where all of them decoded would not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources.decoding import UnreadableImage, all_unreadable, decode_into
from usb_negsamp.data.sources.image_source import images_at_once
from usb_negsamp.data.sources.looked_up import LookedUpImages

SECONDS_TO_DECODE = 0.002
"""Of a picture of some hundred pixels a side, on one core."""


class ImagesInFiles(LookedUpImages):
    """What :func:`~usb_negsamp.data.sources.decoding.decode_images` returns, decoded when it is asked for.

    Args:
        files: pictures that can be decoded.
        img_size: side of the images, in pixels.
    """

    seconds_an_image = SECONDS_TO_DECODE

    def __init__(self, files: Sequence[Path], img_size: int) -> None:
        super().__init__(len(files), (img_size, img_size, 3), np.dtype(np.uint8))
        self._files = [os.fspath(file) for file in files]
        self._img_size = img_size

    def _looked_up(self, places: np.ndarray) -> np.ndarray:
        images = np.empty((len(places), *self.shape[1:]), dtype=np.uint8)
        bad: dict[int, UnreadableImage] = {}
        decode_into(images, [Path(self._files[place]) for place in places], self._img_size, bad)
        if bad:
            raise all_unreadable([bad[place] for place in sorted(bad)], "; it could be decoded when the run began")
        return images


def look_through(
    files: Sequence[Path], img_size: int, see: Callable[[np.ndarray], None]
) -> tuple[np.ndarray, list[UnreadableImage]]:
    """Decode all ``files`` once, a part at a time, and keep none of their pixels.

    Args:
        files: pictures.
        img_size: side of the images, in pixels.
        see: is given each part's (M, img_size, img_size, 3) uint8 images.

    Returns:
        which of the files can be decoded, int64, and why the others cannot.
    """
    places: list[np.ndarray] = []
    all_bad: list[UnreadableImage] = []
    at_once = images_at_once(img_size)
    with announced("looking through pictures", len(files)) as tell:
        for start in range(0, len(files), at_once):
            part = files[start : start + at_once]
            images = np.empty((len(part), img_size, img_size, 3), dtype=np.uint8)
            bad: dict[int, UnreadableImage] = {}
            decode_into(images, part, img_size, bad)
            readable = np.array([place for place in range(len(part)) if place not in bad], dtype=np.int64)
            see(images[readable] if bad else images)
            places.append(start + readable)
            all_bad += [bad[place] for place in sorted(bad)]
            tell(start + len(part))
    return np.concatenate([np.empty(0, dtype=np.int64), *places]), all_bad
