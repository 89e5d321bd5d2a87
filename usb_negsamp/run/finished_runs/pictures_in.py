"""The images that a network is to look at, however they are given, as the run's own test images are made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from usb_negsamp.errors import ConfigError, expected, quoted

if TYPE_CHECKING:
    from torch import Tensor

Read = Callable[[int], "np.ndarray"]
"""Side in pixels to an image (S, S, 3) uint8."""


class Picture(NamedTuple):
    """An image that is yet to be read.

    Attributes:
        name: its file below the folder, or its number.
        read: gives its pixels; raises ConfigError where it cannot.
    """

    name: str
    read: Read


class Batch(NamedTuple):
    """Images that are there.

    Attributes:
        images: (M, 3, S, S) uint8, or floating-point in [0, 1] as given.
        names: of all N of the batch.
        errors: N texts; empty for those M that could be read.
    """

    images: Tensor
    names: list[str]
    errors: list[str]


def pictures_in(images: Any) -> list[Picture]:
    """The pictures that ``images`` names: a folder, a file, or a sequence of files, PIL images or arrays.

    Arrays are (H, W), (H, W, 3) or (H, W, 4) in uint8, of any size; one of four dimensions is a sequence of them.

    Raises:
        ConfigError: nothing is there, or what is there is none of these.
    """
    if isinstance(images, (str, os.PathLike)):
        return _files(Path(images))
    if isinstance(images, np.ndarray) and images.ndim < 4:
        images = [images]
    if not isinstance(images, (np.ndarray, Sequence)):
        raise expected(
            "images", "a folder, files, PIL images, arrays in uint8, or a tensor (N, 3, H, W)", quoted(type(images))
        )
    return [_picture(number, image) for number, image in enumerate(images)]


def batches(pictures: Sequence[Picture], img_size: int, batch_size: int) -> Iterator[Batch]:
    """Read the pictures, ``batch_size`` at a time, by threads."""
    import torch

    with ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:
        for start in range(0, len(pictures), batch_size):
            part = pictures[start : start + batch_size]
            read = list(pool.map(lambda picture: _tried(picture, img_size), part))
            pixels = [image for image in read if isinstance(image, np.ndarray)]
            stacked = np.stack(pixels) if pixels else np.empty((0, img_size, img_size, 3), dtype=np.uint8)
            errors = ["" if isinstance(image, np.ndarray) else image for image in read]
            images = torch.from_numpy(np.ascontiguousarray(stacked.transpose(0, 3, 1, 2)))
            yield Batch(images, [picture.name for picture in part], errors)


def tensor_batches(images: Tensor, batch_size: int) -> Iterator[Batch]:
    """The images of a tensor (N, 3, S, S), ``batch_size`` at a time."""
    for start in range(0, len(images), batch_size):
        part = images[start : start + batch_size]
        yield Batch(part, [str(start + number) for number in range(len(part))], [""] * len(part))


def _tried(picture: Picture, img_size: int) -> np.ndarray | str:
    try:
        return picture.read(img_size)
    except ConfigError as error:
        return str(error)


def _files(place: Path) -> list[Picture]:
    from usb_negsamp.data.sources.picture_files import IMAGE_SUFFIXES, picture_files

    if place.is_file():
        return [_of_file(place, place.name)]
    if not place.is_dir():
        raise ConfigError(f"{place}: expected a folder with images, or an image, but there is none")
    files = [found.path for found in picture_files(place)]
    if not files:
        suffixes = " ".join(sorted(IMAGE_SUFFIXES))
        raise ConfigError(f"{place}: expected images in it, but it holds none (known endings: {suffixes})")
    return [_of_file(file, file.relative_to(place).as_posix()) for file in files]


def _of_file(file: Path, name: str) -> Picture:
    from usb_negsamp.data.sources.decoding import decode_image

    return Picture(name, lambda img_size: decode_image(file, img_size))


def _picture(number: int, image: Any) -> Picture:
    from PIL import Image

    from usb_negsamp.data.sources.decoding import fitted_image

    if isinstance(image, (str, os.PathLike)):
        return _of_file(Path(image), os.fspath(image))
    if isinstance(image, Image.Image):
        return Picture(str(number), lambda img_size: fitted_image(image, img_size))
    is_array = isinstance(image, np.ndarray) and image.dtype == np.uint8
    if is_array and (image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (3, 4))) and image.size:
        return Picture(str(number), lambda img_size: fitted_image(Image.fromarray(image), img_size))
    kind = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else quoted(type(image))
    raise expected(f"image {number}", "a file, a PIL image, or an array (H, W) or (H, W, 3) in uint8", kind)
