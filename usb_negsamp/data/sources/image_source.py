"""What every source of images hands over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from usb_negsamp.data.memory import check_fits


@dataclass(frozen=True)
class ImageArrays:
    """RGB images decoded once, all of one size, with their class indices.

    Attributes:
        images: (N, H, W, 3) uint8.
        targets: (N,) int64 in [0, K); -1 where no label is known.
    """

    images: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)


@dataclass(frozen=True)
class ImageSource:
    """A data set before any split.

    Attributes:
        name: the name it is registered under.
        classes: class names; the position is the class index.
        train: everything that labels may be drawn from.
        unlabeled: an extra pool without labels (all targets -1), or None.
        validation: a validation part that the source brings along, or None where it is to be cut from ``train``.
        test: the test part, or None.
        mean: per channel, of pixel values scaled to [0, 1].
        std: per channel, of pixel values scaled to [0, 1]; never zero.
        horizontal_flip: whether a mirrored image is still of its class (digits: no).
        folds: labeled parts that the data set itself defines, as indices into ``train``; without any, empty.
        notes: what to say of how it was read.
    """

    name: str
    classes: tuple[str, ...]
    train: ImageArrays
    unlabeled: ImageArrays | None
    validation: ImageArrays | None
    test: ImageArrays | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    horizontal_flip: bool
    folds: tuple[np.ndarray, ...] = ()
    notes: tuple[str, ...] = ()


def empty_images(number: int, img_size: int) -> np.ndarray:
    """Room for (number, img_size, img_size, 3) uint8 images.

    Raises:
        ConfigError: they do not fit into memory.
    """
    check_fits(3 * number * img_size**2, "img_size", f"{number} images of {img_size} x {img_size} pixels")
    return np.empty((number, img_size, img_size, 3), dtype=np.uint8)


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Return mean and standard deviation per channel of (N, H, W, 3) uint8 images, with pixels scaled to [0, 1].

    They come from exact counts of the 256 values, in whole numbers to the last division, so they depend neither on the
    order of the images nor on the platform. A channel that is constant gets standard deviation 1, so that normalizing
    never divides by zero.
    """
    statistics = [_mean_and_std(_value_counts(images[..., channel])) for channel in range(3)]
    (mean_r, std_r), (mean_g, std_g), (mean_b, std_b) = statistics
    return (mean_r, mean_g, mean_b), (std_r, std_g, std_b)


def _value_counts(channel: np.ndarray) -> list[int]:
    counts = np.zeros(256, dtype=np.int64)
    for start in range(0, len(channel), 1024):  # in parts: bincount widens every pixel to 8 bytes
        counts += np.bincount(channel[start : start + 1024].ravel(), minlength=256)
    return [int(count) for count in counts]


def _mean_and_std(counts: list[int]) -> tuple[float, float]:
    number = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    variance = (number * second - first * first) / (number * 255) ** 2
    return first / (number * 255), math.sqrt(variance) if variance > 0 else 1.0
