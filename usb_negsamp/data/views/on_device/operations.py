"""RandAugment's operations on batches of 8-bit images, on any device: what Pillow gives, bit for bit.

An operation takes images (n, 3, H, W) uint8 and whole numbers (n, NUMBERS) int32 of how strongly each is changed, and
gives new images. Where Pillow computes in float32 or float64 so do these, one operation after the other: a product and
a sum that are rounded once would be another pixel here and there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.data.views.on_device.windows import pixels_at

NUMBERS = 6
"""As many as the coefficients of an affine map."""
FRACTION_BITS = 16
"""Of the fixed-point numbers that Pillow computes positions in."""
_GRAY = (19595, 38470, 7471)
"""Shares of red, green and blue in a gray, in units of 2 ** -16."""
_LEAST_FILTERED_SIDE = 3


def auto_contrast(images: Tensor, numbers: Tensor) -> Tensor:
    """Stretch each channel to the whole range."""
    low, high = (extreme.double() for extreme in (images.amin((2, 3), True), images.amax((2, 3), True)))
    varies = high > low
    # A number over a tensor would be its reciprocal times the number.
    scale = torch.full_like(low, 255.0) / torch.where(varies, high - low, 1.0)
    stretched = images.double() * scale + -low * scale
    return torch.where(varies, _as_pixels(stretched), images)


def brightness(images: Tensor, numbers: Tensor) -> Tensor:
    """Bring nearer to black, by a factor of float32 in the first number."""
    return _blended(torch.zeros_like(images), images, numbers)


def color(images: Tensor, numbers: Tensor) -> Tensor:
    """Bring nearer to gray, pixel by pixel."""
    return _blended(_grays(images), images, numbers)


def contrast(images: Tensor, numbers: Tensor) -> Tensor:
    """Bring nearer to the mean gray of the image."""
    grays = _grays(images)
    number = grays[0].numel()
    mean = torch.div(2 * grays.sum((1, 2, 3), keepdim=True) + number, 2 * number, rounding_mode="floor")
    return _blended(mean, images, numbers)


def sharpness(images: Tensor, numbers: Tensor) -> Tensor:
    """Bring nearer to a smoothed image, whose border is as it was."""
    if min(images.shape[2:]) < _LEAST_FILTERED_SIDE:
        return images.clone()
    values = images.short()
    of_columns = values[:, :, :-2] + values[:, :, 1:-1] + values[:, :, 2:]
    sums = of_columns[..., :-2] + of_columns[..., 1:-1] + of_columns[..., 2:] + 4 * values[:, :, 1:-1, 1:-1]
    smooth = values.clone()
    # To the nearest whole number; half ones there are none, 13 being odd.
    smooth[:, :, 1:-1, 1:-1] = torch.div(2 * sums + 13, 26, rounding_mode="floor")
    return _blended(smooth, images, numbers)


def equalize(images: Tensor, numbers: Tensor) -> Tensor:
    """Spread each channel's values evenly."""
    values = images.flatten(2)
    # A sorted line tells how many values are below another, without the additions in any order of a histogram.
    levels = torch.arange(256, device=images.device, dtype=images.dtype).expand(*values.shape[:2], 256).contiguous()
    below = torch.searchsorted(values.sort(2).values, levels)
    below_highest = (values < values.amax(2, True)).sum(2, True)
    steps = below_highest // 255
    step = steps.clamp(min=1)
    table = torch.where(steps > 0, ((step // 2 + below) // step).clamp(max=255), levels.long())
    return table.gather(2, values.long()).to(images.dtype).view(images.shape)


def posterize(images: Tensor, numbers: Tensor) -> Tensor:
    """Keep the bits of the mask in the first number."""
    return images & _first(numbers).to(images.dtype)


def solarize(images: Tensor, numbers: Tensor) -> Tensor:
    """Invert the values from a threshold on."""
    return torch.where(images < _first(numbers), images, 255 - images)


def invert(images: Tensor, numbers: Tensor) -> Tensor:
    """Invert all values."""
    return 255 - images


def moved(images: Tensor, numbers: Tensor) -> Tensor:
    """Map affinely: each pixel is the one nearest to its place in the image, and black where that is outside.

    The numbers are the coefficients of ``column = a x + b y + c`` and ``row = d x + e y + f``, in fixed point.
    """
    height, width = images.shape[2:]
    a, b, c, d, e, f = (numbers[:, place, None, None] for place in range(NUMBERS))
    x = torch.arange(width, device=images.device, dtype=numbers.dtype)
    y = torch.arange(height, device=images.device, dtype=numbers.dtype)[:, None]
    columns = (a * x + b * y + c) >> FRACTION_BITS
    rows = (d * x + e * y + f) >> FRACTION_BITS
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    found = pixels_at(images, rows.clamp(0, height - 1), columns.clamp(0, width - 1))
    return torch.where(inside[:, None], found, 0)


def cut_out(images: Tensor, boxes: Tensor, fill: Tensor) -> Tensor:
    """Color a rectangle of each image.

    Args:
        images: (N, 3, H, W) uint8.
        boxes: (N, 4) int32: first and last row, first and last column.
        fill: (3,) uint8, the color.
    """
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)[None, :, None]
    columns = torch.arange(width, device=images.device)[None, None]
    top, bottom, left, right = (boxes[:, place, None, None] for place in range(4))
    covered = (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)
    return torch.where(covered[:, None], fill[:, None, None], images)


def _first(numbers: Tensor) -> Tensor:
    return numbers[:, 0, None, None, None]


def _grays(images: Tensor) -> Tensor:
    """(n, 1, H, W) int32."""
    values = images.int()
    red, green, blue = (values[:, channel, None] * share for channel, share in enumerate(_GRAY))
    return (red + green + blue + (1 << 15)) >> 16


def _blended(first: Tensor, second: Tensor, numbers: Tensor) -> Tensor:
    """``first`` at a factor of 0 in the first number, ``second`` at 1."""
    factor = numbers[:, :1].contiguous().view(torch.float32)[:, :, None, None]
    start = first.float()
    return _as_pixels(start + factor * (second.float() - start))


def _as_pixels(values: Tensor) -> Tensor:
    """Without what is behind the point."""
    return values.clamp(0, 255).to(torch.uint8)
