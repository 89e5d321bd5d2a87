"""Small images of the page, inside of it."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

LONGEST_SIDE = 96
"""Pixels of an example; larger ones are made smaller."""


def data_uri(image: Image.Image) -> str:
    """An image as PNG in an address of its own.

    >>> data_uri(Image.new("L", (4, 2)))[:22]
    'data:image/png;base64,'
    """
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def example_uri(image: Image.Image) -> str:
    """The address of an image that is no longer and no wider than :data:`LONGEST_SIDE` pixels."""
    shown = image.convert("L" if image.mode == "L" else "RGB")
    shown.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return data_uri(shown)


def matrix_uri(shares: np.ndarray) -> str:
    """The address of a matrix (K, K) of shares as a gray image with a pixel for each, 1 in black."""
    return data_uri(Image.fromarray((255 * (1 - shares.clip(0, 1))).round().astype(np.uint8)))
