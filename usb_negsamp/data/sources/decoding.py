"""Decoding picture files of any size and mode into one uint8 array."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources.image_source import empty_images
from usb_negsamp.errors import ConfigError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's decoders for the pictures that are read; its others, of which EPS starts another program, stay unused."""

FILES_PER_TASK = 256
MOST_FILES_IN_A_LINE = 3
"""Bad files that an error names; `usb-negsamp doctor --data_dir DIR` lists all."""


class UnreadableImage(ConfigError):
    """A file that cannot be decoded.

    Args:
        file: the file.
        reason: why.
        text: the whole line; empty: made of both.
    """

    def __init__(self, file: Path, reason: str, text: str = "") -> None:
        super().__init__(text or f"cannot decode {file} as an image: {reason}")
        self.file, self.reason = file, " ".join(reason.splitlines())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.file, self.reason, str(self))


class Decoded(NamedTuple):
    """Files that were decoded.

    Attributes:
        images: (M, H, W, 3) uint8 of those that could be.
        places: (M,) int64: which of the files they are.
        bad: why each of the others could not be, in the order of the files.
    """

    images: np.ndarray
    places: np.ndarray
    bad: list[UnreadableImage]


def decode_images(files: Sequence[Path], img_size: int) -> np.ndarray:
    """Decode ``files`` into (N, img_size, img_size, 3) uint8, in their order.

    Raises:
        ConfigError: files cannot be decoded, all of which are counted and the first ones named, or memory is too small.
    """
    decoded = decode_readable(files, img_size)
    if decoded.bad:
        raise all_unreadable(decoded.bad)
    return decoded.images


def decode_readable(files: Sequence[Path], img_size: int, into: np.ndarray | None = None) -> Decoded:
    """Decode those of ``files`` that can be decoded.

    Args:
        files: pictures.
        img_size: side of the images, in pixels.
        into: (N, img_size, img_size, 3) uint8, where the images go; None, into memory.

    Raises:
        ConfigError: memory is too small.
    """
    images = empty_images(len(files), img_size) if into is None else into
    bad: dict[int, UnreadableImage] = {}
    with announced("decoding pictures", len(files)) as tell:
        decode_into(images, files, img_size, bad, tell)
    places = np.array([place for place in range(len(files)) if place not in bad], dtype=np.int64)
    for place, now in enumerate(places) if bad else ():
        images[place] = images[now]  # within the array: a copy of a large set would take as much memory again
    return Decoded(images[: len(places)], places, [bad[place] for place in sorted(bad)])


def decode_into(
    images: np.ndarray,
    files: Sequence[Path],
    img_size: int,
    bad: dict[int, UnreadableImage],
    tell: Callable[[int], None] | None = None,
) -> None:
    """Decode ``files`` into the rows of ``images``.

    A thread pool decodes: Pillow lets go of the interpreter lock while it decompresses and resizes.

    Args:
        images: (N, img_size, img_size, 3) uint8, written to.
        files: N of them.
        img_size: side of the images, in pixels.
        bad: gets, by its place, why a file cannot be decoded; its row stays as it is.
        tell: is told how many files are done.
    """

    def decode_from(start: int) -> None:
        for index in range(start, min(start + per_task, len(files))):
            try:
                images[index] = decode_image(files[index], img_size)
            except UnreadableImage as error:
                bad[index] = error

    threads = min(16, os.cpu_count() or 1)
    per_task = min(FILES_PER_TASK, -(-len(files) // threads) or 1)
    if threads == 1 or len(files) == 1:
        for start in range(0, len(files), per_task):
            decode_from(start)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        tasks = [pool.submit(decode_from, start) for start in range(0, len(files), per_task)]
        for number, task in enumerate(tasks, 1):
            task.result()
            if tell is not None:
                tell(min(number * per_task, len(files)))


def all_unreadable(bad: Sequence[UnreadableImage], hint: str = "") -> ConfigError:
    """The one error of all files that cannot be decoded, at least one: how many, and the first of them.

    >>> str(all_unreadable([UnreadableImage(Path(f"{n}.png"), "empty") for n in range(5)], "; remove them"))
    'cannot decode 5 files as images: 0.png (empty), 1.png (empty), 2.png (empty) and 2 more; remove them'
    """
    if len(bad) == 1:
        return UnreadableImage(bad[0].file, bad[0].reason, f"{bad[0]}{hint}")
    named = ", ".join(f"{one.file} ({one.reason})" for one in bad[:MOST_FILES_IN_A_LINE])
    more = f" and {len(bad) - MOST_FILES_IN_A_LINE} more" if len(bad) > MOST_FILES_IN_A_LINE else ""
    return ConfigError(f"cannot decode {len(bad)} files as images: {named}{more}{hint}")


def decode_image(file: Path, img_size: int) -> np.ndarray:
    """Decode one file into (img_size, img_size, 3) uint8.

    The shorter side is resized (bicubic) to ``img_size`` and the center is kept. The camera's orientation tag is
    followed, gray is repeated over the channels, transparency is dropped, 16 bits are scaled to 8.

    Raises:
        UnreadableImage: the file cannot be decoded, has more pixels than Pillow's limit
            (``Image.MAX_IMAGE_PIXELS``), or holds floating-point pixels, whose range is not known.
    """
    try:
        with Image.open(file, formats=FORMATS) as opened:
            _check_pixels(file, opened.size)
            opened.draft(None, (2 * img_size, 2 * img_size))  # JPEG alone: skips detail that resizing would discard
            image = ImageOps.exif_transpose(opened)
            rgb = _eight_bit_rgb(image)
    except UnidentifiedImageError as error:
        raise UnreadableImage(file, f"expected one of {', '.join(FORMATS)}") from error
    except UnreadableImage:
        raise
    except Exception as error:  # what a decoder raises depends on the bytes that it meets
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableImage(file, reason) from error
    return _fitted(rgb, img_size)


def fitted_image(image: Image.Image, img_size: int) -> np.ndarray:
    """Return an opened image of any size and mode as (img_size, img_size, 3) uint8, as :func:`decode_image` does.

    Raises:
        ConfigError: it cannot be decoded, or holds floating-point pixels.
    """
    try:
        return _fitted(_eight_bit_rgb(image), img_size)
    except Exception as error:  # an opened file is decoded here
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"cannot take the image: {reason}") from error


def _fitted(rgb: Image.Image, img_size: int) -> np.ndarray:
    if rgb.size != (img_size, img_size):
        rgb = ImageOps.fit(rgb, (img_size, img_size), Image.Resampling.BICUBIC)
    return np.asarray(rgb)


def _check_pixels(file: Path, size: tuple[int, int]) -> None:
    """Refuse what Pillow only warns of: a small file that takes gigabytes when decoded."""
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and size[0] * size[1] > most:
        raise UnreadableImage(file, f"expected at most {most} pixels, but got {size[0]} x {size[1]}; make it smaller")


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):  # 16-bit gray; which of the modes I, I;16, I;16B it gets depends on Pillow's version
        sixteen_bit = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        return Image.fromarray(np.rint(sixteen_bit / 257.0).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        image = image.convert("RGBA")  # a palette may carry transparency that a direct conversion warns of
    return image.convert("RGB")
