"""Charts as inline SVG: their colors are the page's, so that they are readable in the light and in the dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from usb_negsamp.run.report.page.axes import HEIGHT, WIDTH, Axes, limits
from usb_negsamp.run.report.page.statistics import Reliability

COLORS = 10
"""The page's colors; beyond them, lines are dashed and dots are squares."""
MOST_POINTS = 300
"""Points of a line: where a run has logged more, some are left out."""
UNSEEN = "unseen"
"""The group of a scatter chart that has no color."""


@dataclass(frozen=True)
class Series:
    """A line of a chart.

    Attributes:
        name: what it is, for the legend.
        x: where it has points.
        y: their values; one that is no number is a gap.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """A picture of the page.

    Attributes:
        title: its heading.
        description: what it shows in words, for those who do not see it.
        drawing: the inside of its ``svg`` element.
        width: of that element's plane.
        height: the same.
        legend: the names of its lines or marks, with their classes of color.
        note: what stands below it.
    """

    title: str
    description: str
    drawing: Markup
    width: int = WIDTH
    height: int = HEIGHT
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""


def thinned(series: Series, at_most: int = MOST_POINTS) -> Series:
    """The series with at most so many of its points, evenly spaced, the last among them.

    >>> thinned(Series("loss", range(9), range(9)), 5).x
    [0, 2, 4, 6, 8]
    """
    if len(series.x) <= at_most:
        return series
    kept = np.linspace(0, len(series.x) - 1, at_most).astype(int)
    return Series(series.name, [series.x[i] for i in kept], [series.y[i] for i in kept])


def line_chart(
    title: str, series: Sequence[Series], x_label: str, y_label: str, *, percent: bool = False, note: str = ""
) -> Chart:
    """Lines over a number, as the iteration; ``percent`` where their values are shares."""
    lines = [thinned(one) for one in series if len(one.x)]
    xs = [float(value) for one in lines for value in one.x]
    ys = [float(value) for one in lines for value in one.y]
    axes = Axes(limits(xs), limits(ys, with_zero=not percent), x_label, y_label, percent)
    parts = [axes.frame()]
    legend = []
    for number, one in enumerate(lines):
        color = color_of(number)
        parts.append(Markup('<path class="line {}" d="{}"/>').format(color, _path(axes, one)))
        if len(one.x) == 1:
            at = (axes.across(one.x[0]), axes.up(one.y[0]))
            parts.append(Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(color, *at))
        legend.append((one.name, color))
    words = "; ".join(_in_words(one, percent) for one in lines)
    return Chart(
        title,
        f"{y_label} over {x_label}: {words}",
        Markup("").join(parts),
        # One line needs no name beside the title.
        legend=tuple(legend) if len(legend) > 1 else (),
        note=note,
    )


def reliability_chart(found: Reliability) -> Chart:
    """Accuracy over confidence, beside the diagonal of a network that is as often right as it is sure."""
    axes = Axes((0.0, 1.0), (0.0, 1.0), "confidence", "right", percent=True)
    parts = [axes.frame()]
    corner = (axes.across(0), axes.up(0), axes.across(1), axes.up(1))
    parts.append(Markup('<path class="line reference" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>').format(*corner))
    greatest = max(found.count.tolist())
    points = list(zip(found.confidence.tolist(), found.accuracy.tolist(), found.count.tolist(), strict=True))
    parts.append(
        Markup('<path class="line c0" d="{}"/>').format(
            _path(axes, Series("", [x for x, _, _ in points], [y for _, y, _ in points]))
        )
    )
    for confidence, accuracy, count in points:
        place = (axes.across(confidence), axes.up(accuracy), 2.5 + 5.5 * math.sqrt(count / greatest))
        words = f"{count} images, confidence {100 * confidence:.1f}%, right {100 * accuracy:.1f}%"
        parts.append(
            Markup('<circle class="c0" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>').format(
                *place, words
            )
        )
    words = "; ".join(f"sure {100 * c:.0f}%: right {100 * a:.0f}% of {n}" for c, a, n in points)
    return Chart(
        "Calibration",
        words,
        Markup("").join(parts),
        legend=(("measured; a dot grows with its number of images", "c0"), ("as often right as sure", "reference")),
        note=f"Expected calibration error: {100 * found.error:.2f}% ({len(points)} bins that hold images).",
    )


def histogram_chart(title: str, shares: Mapping[str, np.ndarray], x_label: str, note: str = "") -> Chart:
    """Histograms over the same bins from 0 to 1, one over the other."""
    highest = max(float(values.max()) for values in shares.values())
    axes = Axes((0.0, 1.0), (0.0, highest or 1.0), x_label, "images", percent=True)
    parts = [axes.frame()]
    legend = []
    for number, (name, values) in enumerate(shares.items()):
        color = color_of(number)
        edges = np.linspace(0.0, 1.0, len(values) + 1)
        steps = [f"M{axes.across(0):.1f} {axes.up(0):.1f}"]
        for left, right, value in zip(edges[:-1], edges[1:], values, strict=True):
            steps.append(f"L{axes.across(left):.1f} {axes.up(value):.1f}H{axes.across(right):.1f}")
        steps.append(f"L{axes.across(1):.1f} {axes.up(0):.1f}Z")
        parts.append(Markup('<path class="area {}" d="{}"/>').format(color, "".join(steps)))
        legend.append((name, color))
    words = "; ".join(
        f"{name}: most in the bin from {values.argmax() / len(values):.2f}" for name, values in shares.items()
    )
    return Chart(title, f"{x_label}: {words}", Markup("").join(parts), legend=tuple(legend), note=note)


def bar_chart(title: str, bars: Mapping[str, float], value_label: str, note: str = "") -> Chart:
    """Shares from 0 to 1 as horizontal bars, each with its name above it."""
    row = 30
    height = row * len(bars) + 4
    parts = []
    for number, (name, value) in enumerate(bars.items()):
        top = number * row
        length = max(0.0, min(1.0, value)) * (WIDTH - 60)
        parts.append(Markup('<text x="0" y="{}">{}</text>').format(top + 12, name))
        parts.append(Markup('<rect class="track" x="0" y="{}" width="{}" height="8"/>').format(top + 17, WIDTH - 60))
        parts.append(Markup('<rect class="c0" x="0" y="{}" width="{:.1f}" height="8"/>').format(top + 17, length))
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{:.1f}%</text>').format(WIDTH, top + 25, 100 * value)
        )
    words = "; ".join(f"{name} {100 * value:.1f}%" for name, value in bars.items())
    return Chart(title, f"{value_label}: {words}", Markup("").join(parts), WIDTH, height, note=note)


def scatter_chart(title: str, points: np.ndarray, groups: Mapping[str, np.ndarray], note: str = "") -> Chart:
    """Points (N, 2) in the colors of their groups, which are masks (N,) of them; a group named ``unseen`` is gray."""
    low, high = points.min(0), points.max(0)
    span = np.where(high > low, high - low, 1.0)
    size = HEIGHT + 60
    places = (points - low) / span * [WIDTH - 16, size - 16] + 8
    parts = []
    legend = []
    number = 0
    for name, mask in groups.items():
        if name == UNSEEN:
            color = "reference"
        else:
            color, number = color_of(number), number + 1
        marks = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in places[mask])
        parts.append(Markup('<path class="dots {}" d="{}"/>').format(color, marks))
        legend.append((name, color))
    words = ", ".join(f"{int(mask.sum())} of {name}" for name, mask in groups.items())
    drawing = Markup("").join(parts)
    return Chart(title, f"{len(points)} images: {words}", drawing, WIDTH, size, tuple(legend), note)


def color_of(number: int) -> str:
    """The classes of color and dashes of the line of that number.

    >>> color_of(0), color_of(11)
    ('c0', 'c1 dashed')
    """
    return f"c{number % COLORS}" + (" dashed" if number >= COLORS else "")


def _path(axes: Axes, series: Series) -> str:
    parts = []
    pen_is_down = False
    for x, y in zip(series.x, series.y, strict=True):
        if not math.isfinite(y):
            pen_is_down = False
            continue
        parts.append(f"{'L' if pen_is_down else 'M'}{axes.across(x):.1f} {axes.up(y):.1f}")
        pen_is_down = True
    return "".join(parts)


def _in_words(series: Series, percent: bool) -> str:
    finite = [value for value in series.y if math.isfinite(value)]
    if not finite:
        return f"{series.name} has no finite value"
    scale, unit = (100, "%") if percent else (1, "")
    first, last, least, greatest = (
        f"{scale * value:.4g}{unit}" for value in (finite[0], finite[-1], min(finite), max(finite))
    )
    return f"{series.name} from {first} to {last}, between {least} and {greatest}"
