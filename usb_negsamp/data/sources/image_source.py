"""What every source of images hands over."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from usb_negsamp.data.memory import check_fits
from usb_negsamp.data.sources.chosen_images import ChosenImages
from usb_negsamp.data.sources.looked_up import LookedUpImages


@dataclass(frozen=True)
class ImageArrays:
    """RGB images decoded once, all of one size, with their class indices.

    Attributes:
        images: (N, H, W, 3) uint8; also such that are looked up where they lie.
        targets: (N,) int64 in [0, K); -1 where no label is known.
    """

    images: np.ndarray | LookedUpImages
    targets: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)

    def chosen(self, indices: np.ndarray) -> ImageArrays:
        """The images at ``indices`` with their targets: a copy of an array, and no copy of what is looked up."""
        images = self.images
        found = ChosenImages((images, indices)) if isinstance(images, LookedUpImages) else images[indices]
        return ImageArrays(found, self.targets[indices])


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
        log: what its log says beside the notes, such as every file that was left out.
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
    log: tuple[str, ...] = ()


def empty_images(number: int, img_size: int) -> np.ndarray:
    """Room for (number, img_size, img_size, 3) uint8 images.

    Raises:
        ConfigError: they do not fit into memory.
    """
    check_fits(3 * number * img_size**2, "img_size", f"{number} images of {img_size} x {img_size} pixels")
    return np.empty((number, img_size, img_size, 3), dtype=np.uint8)


def images_at_once(img_size: int) -> int:
    """How many images of a side go through memory at once where all of them would not fit: at most 1,024, and 256 MiB.

    >>> images_at_once(32), images_at_once(1024)
    (1024, 85)
    """
    return max(1, min(1024, 2**28 // (3 * img_size**2)))


Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and standard deviation per channel, of pixel values scaled to [0, 1]."""


class ChannelCounts:
    """Counts of the 256 values of each channel, over images that come one part after the other."""

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), dtype=np.int64)

    def add(self, images: np.ndarray) -> None:
        """Count (N, H, W, 3) uint8 images."""
        for start in range(0, len(images), 1024):  # in parts: bincount widens every pixel to 8 bytes
            part = images[start : start + 1024]
            for channel in range(3):
                self._counts[channel] += np.bincount(part[..., channel].ravel(), minlength=256)

    @property
    def statistics(self) -> Statistics:
        """Mean and standard deviation of what was counted; see :func:`channel_statistics`."""
        counts = [[int(count) for count in of_channel] for of_channel in self._counts]
        (mean_r, std_r), (mean_g, std_g), (mean_b, std_b) = map(_mean_and_std, counts)
        return (mean_r, mean_g, mean_b), (std_r, std_g, std_b)


def channel_statistics(images: np.ndarray) -> Statistics:
    """Return mean and standard deviation per channel of (N, H, W, 3) uint8 images, with pixels scaled to [0, 1].

    They come from exact counts of the 256 values, in whole numbers to the last division, so they depend neither on the
    order of the images nor on the platform. A channel that is constant gets standard deviation 1, so that normalizing
    never divides by zero.
    """
    counts = ChannelCounts()
    counts.add(images)
    return counts.statistics


def _mean_and_std(counts: list[int]) -> tuple[float, float]:
    number = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    variance = (number * second - first * first) / (number * 255) ** 2
    return first / (number * 255), math.sqrt(variance) if variance > 0 else 1.0
