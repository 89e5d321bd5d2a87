"""Where things lie in a chart: ticks, and from values to places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 340, 215
LEFT, RIGHT, TOP, BOTTOM = 46, 10, 8, 38
"""Of a chart and of its margins, in units of which the page makes about one a pixel."""


@dataclass(frozen=True)
class Axes:
    """The plane of a chart.

    Attributes:
        x: the least and the greatest value across.
        y: the same upwards.
        x_label: what stands across, with its unit.
        y_label: what stands upwards.
        percent: whether values upwards are shares, shown in percent.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    percent: bool = False

    def across(self, value: float) -> float:
        """The place of a value across."""
        return LEFT + (value - self.x[0]) / _length(self.x) * (WIDTH - LEFT - RIGHT)

    def up(self, value: float) -> float:
        """The place of a value upwards."""
        return HEIGHT - BOTTOM - (value - self.y[0]) / _length(self.y) * (HEIGHT - TOP - BOTTOM)

    def frame(self) -> Markup:
        """Grid, ticks and labels."""
        parts = []
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for value in ticks(*self.y):
            at = self.up(value)
            text = shown(100 * value if self.percent else value)
            parts.append(Markup('<path class="grid" d="M{} {:.1f}H{}"/>').format(LEFT, at, right))
            parts.append(Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(LEFT - 6, at + 4, text))
        for value in ticks(*self.x):
            at = self.across(value)
            parts.append(Markup('<path class="grid" d="M{:.1f} {}V{}"/>').format(at, TOP, bottom))
            parts.append(
                Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(at, bottom + 16, shown(value))
            )
        middle = (LEFT + right) / 2
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(middle, HEIGHT - 6, self.x_label)
        )
        height = (TOP + bottom) / 2
        label = f"{self.y_label} (%)" if self.percent else self.y_label
        parts.append(
            Markup('<text transform="translate(12 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
                height, label
            )
        )
        return Markup("").join(parts)


def ticks(least: float, greatest: float, at_most: int = 6) -> list[float]:
    """Round numbers from ``least`` to ``greatest``, evenly spaced.

    >>> ticks(0, 600), ticks(0.0, 1.0)
    ([0.0, 200.0, 400.0, 600.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    """
    length = greatest - least
    if not length > 0 or not math.isfinite(length):
        return [least]
    rough = length / (at_most - 1)
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    first = math.ceil(least / step - 1e-9)
    last = math.floor(greatest / step + 1e-9)
    return [round(step * number, 12) for number in range(first, last + 1)]


def shown(value: float) -> str:
    """A number as a tick has it.

    >>> shown(0.0), shown(1500.0), shown(0.25), shown(2e6)
    ('0', '1500', '0.25', '2e+06')
    """
    return f"{value:.4g}"


def limits(values: Sequence[float], with_zero: bool = False) -> tuple[float, float]:
    """The least and the greatest of values, a little apart where they are the same; 0 is among them on request.

    >>> limits([2.0, 4.0], with_zero=True), limits([])
    ((0.0, 4.0), (0.0, 1.0))
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    least, greatest = min(finite), max(finite)
    if with_zero:
        least, greatest = min(0.0, least), max(0.0, greatest)
    return (least, greatest) if greatest > least else (least, least + (abs(least) or 1.0))


def _length(ends: tuple[float, float]) -> float:
    return ends[1] - ends[0]
