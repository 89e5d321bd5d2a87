"""Decoding picture files of any size and mode into one uint8 array."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources.image_source import empty_images
from usb_negsamp.errors import ConfigError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's decoders for the pictures that are read; its others, of which EPS starts another program, stay unused."""

FILES_PER_TASK = 256


def decode_images(files: Sequence[Path], img_size: int) -> np.ndarray:
    """Decode ``files`` into (N, img_size, img_size, 3) uint8, in their order.

    A thread pool decodes: Pillow lets go of the interpreter lock while it decompresses and resizes.

    Raises:
        ConfigError: a file cannot be decoded, of which the first in order is named, or memory is too small.
    """
    images = empty_images(len(files), img_size)

    def decode_from(start: int) -> None:
        for index in range(start, min(start + FILES_PER_TASK, len(files))):
            images[index] = decode_image(files[index], img_size)

    workers = ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1))
    with announced("decoding pictures", len(files)) as tell, workers as pool:
        tasks = [pool.submit(decode_from, start) for start in range(0, len(files), FILES_PER_TASK)]
        try:
            for number, task in enumerate(tasks, 1):
                task.result()
                tell(min(number * FILES_PER_TASK, len(files)))
        except ConfigError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return images


def decode_image(file: Path, img_size: int) -> np.ndarray:
    """Decode one file into (img_size, img_size, 3) uint8.

    The shorter side is resized (bicubic) to ``img_size`` and the center is kept. The camera's orientation tag is
    followed, gray is repeated over the channels, transparency is dropped, 16 bits are scaled to 8.

    Raises:
        ConfigError: the file cannot be decoded, has more pixels than Pillow's limit (``Image.MAX_IMAGE_PIXELS``), or
            holds floating-point pixels, whose range is not known.
    """
    try:
        with Image.open(file, formats=FORMATS) as opened:
            _check_pixels(file, opened.size)
            opened.draft(None, (2 * img_size, 2 * img_size))  # JPEG alone: skips detail that resizing would discard
            image = ImageOps.exif_transpose(opened)
            rgb = _eight_bit_rgb(image)
    except UnidentifiedImageError as error:
        raise ConfigError(f"cannot decode {file} as an image: expected one of {', '.join(FORMATS)}") from error
    except ConfigError:
        raise
    except Exception as error:  # what a decoder raises depends on the bytes that it meets
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"cannot decode {file} as an image: {reason}") from error
    if rgb.size != (img_size, img_size):
        rgb = ImageOps.fit(rgb, (img_size, img_size), Image.Resampling.BICUBIC)
    return np.asarray(rgb)


def _check_pixels(file: Path, size: tuple[int, int]) -> None:
    """Refuse what Pillow only warns of: a small file that takes gigabytes when decoded."""
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and size[0] * size[1] > most:
        raise ConfigError(
            f"cannot decode {file} as an image: expected at most {most} pixels, but got {size[0]} x {size[1]}; make it "
            "smaller"
        )


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
