"""What the strength of one of RandAugment's operations comes to in whole numbers, as Pillow computes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from usb_negsamp.data.views.on_device import operations

Size = tuple[int, int]
"""Height and width of an image."""


class Operation(NamedTuple):
    """An operation of RandAugment.

    Attributes:
        apply: changes images by numbers; None where nothing is changed.
        numbers: those of a strength, for images of a size; at most ``operations.NUMBERS``.
    """

    apply: Callable[[Tensor, Tensor], Tensor] | None
    numbers: Callable[[float, Size], Sequence[int]]


def none(value: float, size: Size) -> Sequence[int]:
    """No number: the operation has no strength."""
    return ()


def factor(value: float, size: Size) -> Sequence[int]:
    """The bits of the strength in float32."""
    return (int(np.float32(value).view(np.int32)),)


def mask(value: float, size: Size) -> Sequence[int]:
    """A mask of as many upper bits as the strength says, at least one."""
    return (256 - 2 ** (8 - max(1, int(value))),)


def threshold(value: float, size: Size) -> Sequence[int]:
    """The least whole number that is not below the strength."""
    return (math.ceil(value),)


def rotation(value: float, size: Size) -> Sequence[int]:
    """A rotation by degrees against the clock, around the middle."""
    angle = -math.radians(value % 360.0)
    # As there: without the last bits, so that a quarter is one.
    cosine, sine = round(math.cos(angle), 15), round(math.sin(angle), 15)
    opposite = round(-math.sin(angle), 15)
    middle_y, middle_x = size[0] / 2, size[1] / 2
    shift_x = cosine * -middle_x + sine * -middle_y + 0.0 + middle_x
    shift_y = opposite * -middle_x + cosine * -middle_y + 0.0 + middle_y
    return _affine(cosine, sine, shift_x, opposite, cosine, shift_y)


def shear_x(value: float, size: Size) -> Sequence[int]:
    """Each row is moved by as much of its distance from the top."""
    return _affine(1.0, value, 0.0, 0.0, 1.0, 0.0)


def shear_y(value: float, size: Size) -> Sequence[int]:
    """Each column is moved by as much of its distance from the left."""
    return _affine(1.0, 0.0, 0.0, value, 1.0, 0.0)


def shift_x(value: float, size: Size) -> Sequence[int]:
    """A move sideways by pixels."""
    return _shifted(value, 0.0)


def shift_y(value: float, size: Size) -> Sequence[int]:
    """A move up or down by pixels."""
    return _shifted(0.0, value)


def share_x(value: float, size: Size) -> Sequence[int]:
    """A move sideways by a share of the width."""
    return shift_x(value * size[1], size)


def share_y(value: float, size: Size) -> Sequence[int]:
    """A move up or down by a share of the height."""
    return shift_y(value * size[0], size)


def _affine(a: float, b: float, c: float, d: float, e: float, f: float) -> Sequence[int]:
    """The coefficients in fixed point, those of the middle of the first pixel in the place of ``c`` and ``f``."""
    return tuple(map(_fixed, (a, b, c + a * 0.5 + b * 0.5, d, e, f + d * 0.5 + e * 0.5)))


def _shifted(columns: float, rows: float) -> Sequence[int]:
    """A move alone: by whole pixels, since each takes the nearest one's color.

    Pillow adds up the places of the pixels, so that a move within 1e-14 of half a pixel may round otherwise there.
    """
    one = 1 << operations.FRACTION_BITS
    return one, 0, math.floor(columns + 0.5) * one, 0, one, math.floor(rows + 0.5) * one


def _fixed(value: float) -> int:
    return math.floor(value * (1 << operations.FRACTION_BITS) + 0.5)


AUTO_CONTRAST = Operation(operations.auto_contrast, none)
BRIGHTNESS = Operation(operations.brightness, factor)
COLOR = Operation(operations.color, factor)
CONTRAST = Operation(operations.contrast, factor)
EQUALIZE = Operation(operations.equalize, none)
IDENTITY = Operation(None, none)
INVERT = Operation(operations.invert, none)
POSTERIZE = Operation(operations.posterize, mask)
ROTATE = Operation(operations.moved, rotation)
SHARPNESS = Operation(operations.sharpness, factor)
SHEAR_X = Operation(operations.moved, shear_x)
SHEAR_Y = Operation(operations.moved, shear_y)
SOLARIZE = Operation(operations.solarize, threshold)
TRANSLATE_X = Operation(operations.moved, share_x)
TRANSLATE_X_PIXELS = Operation(operations.moved, shift_x)
TRANSLATE_Y = Operation(operations.moved, share_y)
TRANSLATE_Y_PIXELS = Operation(operations.moved, shift_y)
