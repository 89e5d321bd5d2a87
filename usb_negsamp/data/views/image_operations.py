"""Two operations on PIL images that torchvision has, in a fraction of its time on small images.

Each gives bit for bit what torchvision's gives from the same draws. Theirs convert the image by way of padding,
permuting and a tensor operation a step, which for an image of 32 x 32 pixels is nearly all overhead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image


def unchanged(image: Any) -> Any:
    """``image`` itself: the view that leaves it as it is."""
    return image


class ReflectCrop:
    """A random crop of an image that is reflected at its borders, without repeating the edge.

    As ``torchvision.transforms.RandomCrop(size, padding, padding_mode="reflect")``.

    Args:
        size: side of the crop, in pixels.
        padding: how many pixels are reflected at each border.
    """

    def __init__(self, size: int, padding: int) -> None:
        self.size = size
        self.padding = padding

    def __call__(self, image: Image.Image) -> Image.Image:
        """Return a crop, every one equally likely.

        Raises:
            ValueError: the padded image is smaller than the crop.
        """
        pixels = np.asarray(image)
        height, width = pixels.shape[:2]
        rows, columns = self.room(height, width)
        # As there: where a single crop is possible, nothing is drawn.
        top, left = (_draw(rows), _draw(columns)) if rows or columns else (0, 0)
        # One side after the other is faster than an index of both.
        pixels = pixels.take(self._positions(height, top), axis=0).take(self._positions(width, left), axis=1)
        return Image.fromarray(pixels)

    def room(self, height: int, width: int) -> tuple[int, int]:
        """By how many rows and columns crops of an image of ``height`` x ``width`` pixels can differ.

        Raises:
            ValueError: the padded image is smaller than the crop.
        """
        rows, columns = height + 2 * self.padding - self.size, width + 2 * self.padding - self.size
        if min(rows, columns) < 0:
            raise ValueError(
                f"expected an image of at least {self.size - 2 * self.padding} x {self.size - 2 * self.padding} pixels "
                f"(crops of {self.size}, {self.padding} reflected at each border), but got {height} x {width}"
            )
        return rows, columns

    def __repr__(self) -> str:
        return f"ReflectCrop(size={self.size}, padding={self.padding})"

    def _positions(self, length: int, start: int) -> np.ndarray:
        """Where the pixels ``start`` to ``start + size`` of the reflected line come from."""
        positions = np.abs(np.arange(start - self.padding, start - self.padding + self.size))
        reflected: np.ndarray = (length - 1) - np.abs((length - 1) - positions)
        return reflected


class NormalizedTensor:
    """An 8-bit image as a float32 tensor, less a mean, over a standard deviation.

    As ``ToTensor`` and then ``Normalize(mean, std)`` of torchvision.

    Args:
        mean: per channel, of pixels in [0, 1].
        std: per channel, of pixels in [0, 1].
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean = np.asarray(mean, dtype=np.float32).reshape(-1, 1, 1)
        self.std = np.asarray(std, dtype=np.float32).reshape(-1, 1, 1)

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return the tensor (C, H, W) of an image with C channels, 8 bits each.

        Raises:
            ValueError: an image of other pixels.
        """
        pixels = np.asarray(image)
        if pixels.dtype != np.uint8 or pixels.shape[2:] != self.mean.shape[:1]:
            raise ValueError(f"expected an 8-bit image with {len(self.mean)} channels, but got mode {image.mode}")
        values = pixels.transpose(2, 0, 1).astype(np.float32, order="C")
        values /= np.float32(255)
        values -= self.mean
        values /= self.std
        return torch.from_numpy(values)

    def __repr__(self) -> str:
        return f"NormalizedTensor(mean={self.mean.ravel().tolist()}, std={self.std.ravel().tolist()})"


def _draw(largest: int) -> int:
    """A whole number from 0 to ``largest``, from PyTorch's generator as torchvision draws it."""
    return int(torch.randint(0, largest + 1, size=(1,)).item())
