"""The registry of image sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from usb_negsamp.data.digits import load_digits_source
from usb_negsamp.data.image_folder import load_image_folder
from usb_negsamp.data.image_source import ImageArrays, ImageSource
from usb_negsamp.errors import ConfigError, unknown

__all__ = ["SOURCES", "ImageArrays", "ImageSource", "load_source"]

SOURCES: dict[str, Callable[[Path, int], ImageSource]] = {
    "digits": load_digits_source,
    "image_folder": load_image_folder,
}
"""Loaders by name; each takes the data folder and the side of its square images in pixels."""


def load_source(name: str, *, data_dir: str | Path, img_size: int, horizontal_flip: bool | None = None) -> ImageSource:
    """Load the source ``name`` with square images of side ``img_size``.

    Args:
        name: a key of :data:`SOURCES`.
        data_dir: the folder that holds the data; ``digits`` needs none and ignores it.
        img_size: side of the images, in pixels.
        horizontal_flip: whether images may be mirrored; None keeps what the source says of itself.

    Raises:
        ConfigError: unknown name, a size that is not positive, or data that the source refuses.
    """
    if name not in SOURCES:
        raise unknown("data source", name, SOURCES)
    if img_size < 1:
        raise ConfigError(f"img_size must be at least 1 pixel, got {img_size}")
    source = SOURCES[name](Path(data_dir), img_size)
    if horizontal_flip is None:
        return source
    return dataclasses.replace(source, horizontal_flip=horizontal_flip)
