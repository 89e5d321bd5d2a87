"""Parts of images, mirrored and turned images, by looking up the pixel that each pixel comes from.

Images are (N, C, H, W), of any type, on any device; what differs from one to the next is (N,) whole numbers there.
"""

from __future__ import annotations

import torch
from torch import Tensor


def pixels_at(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(N, C, h, w): the pixels at ``rows`` (N or 1, h, 1 or w) and ``columns`` (N or 1, 1 or h, w) of each image."""
    number, channels, _, width = images.shape
    places = (rows * width + columns).long()
    height, width = places.shape[1:]
    found = places.view(-1, 1, height * width).expand(number, channels, -1)
    return images.flatten(2).gather(2, found).view(number, channels, height, width)


def reflected_windows(images: Tensor, size: tuple[int, int], tops: Tensor, lefts: Tensor) -> Tensor:
    """(N, C, h, w): windows of ``size`` in images that are reflected at their borders, without repeating the edge.

    Args:
        images: the images.
        size: height and width of a window.
        tops: (N,) the first row of each window, negative above the image.
        lefts: (N,) its first column.
    """
    rows, columns = (
        _reflected(starts[:, None] + torch.arange(length, device=images.device), of_image)
        for starts, length, of_image in zip((tops, lefts), size, images.shape[2:], strict=True)
    )
    return pixels_at(images, rows[:, :, None], columns[:, None])


def mirrored(images: Tensor, chosen: Tensor) -> Tensor:
    """The images, from right to left those of which ``chosen`` (N,) is not 0."""
    return torch.where(chosen[:, None, None, None] != 0, images.flip(-1), images)


def turned(images: Tensor, quarters: Tensor) -> Tensor:
    """Square images, each turned against the clock by its own number of ``quarters`` (N,), from 0 to 3.

    >>> turned(torch.arange(4).view(1, 1, 2, 2), torch.tensor([1])).flatten().tolist()
    [1, 3, 0, 2]
    """
    side = images.shape[-1]
    forward = torch.arange(side, device=images.device)
    rows, columns = torch.meshgrid(forward, forward, indexing="ij")
    last = side - 1
    from_rows = torch.stack([rows, columns, last - rows, last - columns])
    from_columns = torch.stack([columns, last - rows, last - columns, rows])
    chosen = quarters.long()
    return pixels_at(images, from_rows[chosen], from_columns[chosen])


def _reflected(positions: Tensor, length: int) -> Tensor:
    """Positions on a line of ``length`` pixels that goes on reflected at both ends."""
    return (length - 1) - ((length - 1) - positions.abs()).abs()
