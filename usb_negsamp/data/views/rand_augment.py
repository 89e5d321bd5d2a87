"""RandAugment's operations on small 8-bit images, bit for bit those of Pillow, in a fraction of their time.

Pillow makes a table of what becomes of each of the 256 values in a loop of Python, for an image of 32 x 32 pixels
nearly all of the time that it takes. Here the table is made by array operations. What takes pixels takes and gives
(H, W, 3) arrays, uint8; what takes a picture takes and gives one in mode RGB.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from PIL import Image

VALUES = np.arange(256.0)
UNCHANGED = np.arange(256, dtype=np.uint8)
FIRST_OF_CHANNEL = np.arange(3)[:, None] * 256
CUTOUT_COLOR = np.array((125, 123, 114), dtype=np.uint8)


def auto_contrast(pixels: np.ndarray) -> np.ndarray:
    """Stretch each channel to the whole range, as ``ImageOps.autocontrast``."""
    channels = _channels_of(pixels)
    low, high = channels.min(axis=1).astype(np.float64)[:, None], channels.max(axis=1).astype(np.float64)[:, None]
    varies = high > low
    scale = 255.0 / np.where(varies, high - low, 1.0)
    # What a table holds below the lowest and above the highest value is not looked up.
    tables = (VALUES * scale + -low * scale).astype(np.int64).astype(np.uint8)
    if not varies.all():
        tables = np.where(varies, tables, UNCHANGED)
    return _looked_up(pixels, channels + FIRST_OF_CHANNEL, tables)


def equalize(pixels: np.ndarray) -> np.ndarray:
    """Spread each channel's values evenly, as ``ImageOps.equalize``."""
    places = _channels_of(pixels) + FIRST_OF_CHANNEL
    counts = np.bincount(places.ravel(), minlength=768).reshape(3, 256)
    highest = places.max(axis=1)
    steps = (places.shape[1] - counts.ravel()[highest]) // 255
    # A channel of one value alone has a step of 0, too.
    step = np.maximum(steps, 1)[:, None]
    tables = np.minimum((step // 2 + counts.cumsum(axis=1) - counts) // step, 255).astype(np.uint8)
    if not steps.all():
        tables = np.where(steps[:, None] > 0, tables, UNCHANGED)
    return _looked_up(pixels, places, tables)


def posterize(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Keep the upper ``bits`` of the 8, as ``ImageOps.posterize``."""
    kept: np.ndarray = pixels & np.uint8(256 - 2 ** (8 - bits))
    return kept


def solarize(pixels: np.ndarray, threshold: float) -> np.ndarray:
    """Invert the values from ``threshold`` on, as ``ImageOps.solarize``."""
    table = _solarizing_table(math.ceil(threshold))
    return np.frombuffer(pixels.tobytes().translate(table), dtype=np.uint8).reshape(pixels.shape)


def cut_out(pixels: np.ndarray, side: float, column: float, row: float) -> None:
    """Color a square in ``pixels`` itself, as ``ImageDraw.rectangle`` does.

    Args:
        pixels: (H, W, 3) uint8.
        side: of the square, in pixels, above 0.
        column: where its middle is.
        row: where its middle is.
    """
    top, bottom, left, right = cutout_box(pixels.shape[:2], side, column, row)
    pixels[top : bottom + 1, left : right + 1] = CUTOUT_COLOR


def cutout_box(size: tuple[int, ...], side: float, column: float, row: float) -> tuple[int, int, int, int]:
    """First and last row, first and last column of what :func:`cut_out` colors in an image of ``size``."""
    height, width = size
    left, top = int(max(0, column - side / 2.0)), int(max(0, row - side / 2.0))
    return top, int(min(height, top + side)), left, int(min(width, left + side))


def contrast(picture: Image.Image, factor: float) -> Image.Image:
    """Bring a picture nearer to its mean gray, as ``ImageEnhance.Contrast``."""
    grays = np.frombuffer(picture.convert("L").tobytes(), dtype=np.uint8)
    gray = int(int(grays.sum()) / len(grays) + 0.5)
    return Image.blend(Image.new("RGB", picture.size, (gray, gray, gray)), picture, factor)


@functools.lru_cache(257)
def _solarizing_table(threshold: int) -> bytes:
    return bytes(value if value < threshold else 255 - value for value in range(256))


def _channels_of(pixels: np.ndarray) -> np.ndarray:
    """(3, H W), each channel in one piece, which is what array operations are fast on."""
    return np.ascontiguousarray(pixels.reshape(-1, 3).T)


def _looked_up(pixels: np.ndarray, places: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """``pixels`` by ``tables`` (3, 256) of the values of each channel, at ``places`` (3, H W) of all tables."""
    return np.ascontiguousarray(tables.ravel().take(places).T).reshape(pixels.shape)
