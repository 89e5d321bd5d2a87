"""The registries of image sources."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from usb_negsamp.data.sources.digits import load_digits_source
from usb_negsamp.data.sources.image_folder import load_image_folder
from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource
from usb_negsamp.data.sources.own_pictures.options import FolderOptions
from usb_negsamp.data.sources.torchvision_sets import (
    load_cifar10,
    load_cifar100,
    load_fashion_mnist,
    load_mnist,
    load_stl10,
    load_svhn,
    load_usps,
)
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.value_types import FOLDER

__all__ = ["HOST_SOURCES", "SOURCES", "ImageArrays", "ImageSource", "load_source"]

Loader = Callable[..., ImageSource]

SOURCES: dict[str, Loader] = {
    "digits": load_digits_source,
    "fashion_mnist": load_fashion_mnist,
    FOLDER: load_image_folder,
    "mnist": load_mnist,
    "usps": load_usps,
}
"""Loaders by name; each takes the data folder and the side of its square images in pixels."""

HOST_SOURCES: dict[str, Loader] = {
    "cifar10": load_cifar10,
    "cifar100": load_cifar100,
    "stl10": load_stl10,
    "svhn": load_svhn,
}
"""Loaders of sets that the host has loaders for, too: for splits and preprocessing that the host's do not offer."""


def load_source(
    name: str,
    *,
    data_dir: str | Path,
    img_size: int,
    horizontal_flip: bool | None = None,
    folder: FolderOptions | None = None,
) -> ImageSource:
    """Load the source ``name`` with square images of side ``img_size``.

    Args:
        name: a key of :data:`SOURCES` or :data:`HOST_SOURCES`.
        data_dir: the folder that holds the data; ``digits`` needs none and ignores it.
        img_size: side of the images, in pixels.
        horizontal_flip: whether images may be mirrored; None keeps what the source says of itself.
        folder: how the pictures of ``image_folder`` are read; no other source reads it.

    Raises:
        ConfigError: unknown name, a size that is not positive, or data that the source refuses.
    """
    loaders = {**SOURCES, **HOST_SOURCES}
    if name not in loaders:
        raise unknown("data source", name, loaders)
    if img_size < 1:
        raise ConfigError(f"img_size: expected at least 1 pixel, but got {img_size}")
    load = loaders[name]
    options = (folder,) if load is load_image_folder else ()
    source = load(Path(data_dir), img_size, *options)
    if horizontal_flip is None:
        return source
    return dataclasses.replace(source, horizontal_flip=horizontal_flip)
