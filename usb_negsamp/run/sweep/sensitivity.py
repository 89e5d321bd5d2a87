"""The test error over the values that a sweep varied, as in the NS3L paper's Figure 3: the cells, and their picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.report.markdown import show_spread
from usb_negsamp.run.report.measures import Measure, common_measure, validation_error
from usb_negsamp.run.report.paired_statistics import Spread, spread
from usb_negsamp.run.sweep.plan import Plan, Run

PICTURE = "sensitivity.png"
Point = tuple[Any, ...]
TIE = 1e-9
"""Means that are this near to each other, in points of error, are the same."""


@dataclass(frozen=True)
class Cells:
    """Errors at each point of a grid.

    Attributes:
        axes: the values of each key that has several, in the picture's order.
        points: every point of the grid, finished or not, as values of all keys.
        keys: the grid's keys.
        errors: the test error over the seeds, where runs have finished.
        validation: the mean validation error, where all runs of a point have one.
        measure: the figure shown, or None where the runs have none in common.
    """

    axes: dict[str, tuple[Any, ...]]
    points: tuple[Point, ...]
    keys: tuple[str, ...]
    errors: dict[Point, Spread]
    validation: dict[Point, float]
    measure: Measure | None

    @property
    def best(self) -> tuple[Point, ...]:
        """The point of the lowest mean test error, and those that tie with it, in the grid's order."""
        return self._lowest({point: found.mean for point, found in self.errors.items()})

    @property
    def chosen(self) -> tuple[Point, ...]:
        """The same by the mean validation error: what one may pick without looking at the test images."""
        return self._lowest(self.validation)

    def _lowest(self, means: Mapping[Point, float]) -> tuple[Point, ...]:
        # The mean of the same errors in another order may differ in its last bits.
        return tuple(point for point in self.points if point in means and means[point] - min(means.values()) < TIE)

    def lines(self) -> list[str]:
        """Return lines for a summary: what the validation images choose, and what the test images would."""
        if self.measure is None or not self.keys:
            return []
        lines = []
        if self.chosen:
            lines.append(f"  chosen      {self._shown(self.chosen, 'lowest validation error')}")
        if not self.chosen or self.chosen[0] not in self.best:
            lines.append(f"  best test   {self._shown(self.best, 'lowest test error: not a fair choice')}")
        return lines

    def why_no_picture(self) -> str:
        """Return why there can be none, or an empty text."""
        if self.measure is None:
            return "the runs have no figure in common"
        if len(self.axes) > 2:
            return f"{len(self.axes)} keys vary ({', '.join(self.axes)}); there is one for one or two"
        if not self.axes:
            return "no key of the grid varies"
        words = [key for key, values in self.axes.items() if not all(_is_number(value) for value in values)]
        return f"{', '.join(words)}: not all values are numbers" if words else ""

    def number(self) -> str:
        """Say of how many runs each is, for a title; each cell says it where they differ."""
        counts = {found.n for found in self.errors.values()}
        if counts == {1}:
            return "n = 1 run each"
        shown = f"n = {min(counts)}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"
        return f"mean ± standard deviation, {shown} runs each"

    def at(self, *values: Any) -> Point:
        """Return the point where the axes have these values."""
        wanted = dict(zip(self.axes, values, strict=True))
        return next(p for p in self.points if all(p[self.keys.index(key)] == v for key, v in wanted.items()))

    def _shown(self, tied: Sequence[Point], why: str) -> str:
        assert self.measure is not None
        point = tied[0]
        found = self.errors[point]
        why += f", the first of {len(tied)} that tie" if len(tied) > 1 else ""
        values = " ".join(f"{key}={_short(value)}" for key, value in zip(self.keys, point, strict=True))
        return f"{values} ({why}): test error {show_spread(found)}% ({self.measure.rule}, n = {found.n})"


def cells_of(plan: Plan, rows: Sequence[tuple[Run, dict[str, str]]]) -> Cells:
    """Return the errors of a sweep's finished runs at each point of its grid."""
    try:
        measure = common_measure([row for _, row in rows])
    except ConfigError:
        measure = None
    tests: dict[Point, list[float]] = {}
    validations: dict[Point, list[float | None]] = {}
    for run, row in rows:
        point = tuple(run.point.values())
        error = measure.error(row) if measure else None
        if error is not None:
            tests.setdefault(point, []).append(error)
            validations.setdefault(point, []).append(validation_error(row))
    means = {}
    for point, values in validations.items():
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            means[point] = spread(known).mean
    axes = {key: _ascending(values) for key, values in plan.grid.items() if len(values) > 1}
    points = tuple(dict.fromkeys(tuple(cell.point.values()) for cell in plan.cells))
    return Cells(axes, points, tuple(plan.grid), {p: spread(e) for p, e in tests.items()}, means, measure)


def draw_cells(cells: Cells, path: Path) -> None:
    """Draw a heat map over two keys, or a line over one, to ``path``."""
    from matplotlib.figure import Figure

    assert cells.measure is not None
    two = len(cells.axes) == 2
    sizes = [len(values) for values in cells.axes.values()]
    size = (max(5.0, 1.2 * sizes[0] + 2.4), max(3.6, 0.9 * sizes[1] + 1.8)) if two else (6.0, 4.0)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    (_heat_map if two else _line)(figure, axes, cells)
    axes.set_title(f"test error (%), {cells.measure.rule}; {cells.number()}", fontsize=9)
    write_picture(figure, path, dpi=130)


def _heat_map(figure: Any, axes: Any, cells: Cells) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    (x_key, x_values), (y_key, y_values) = cells.axes.items()
    means = [[_mean(cells, cells.at(x, y)) for x in x_values] for y in y_values]
    counts_differ = len({found.n for found in cells.errors.values()}) > 1
    colors = colormaps["viridis_r"].with_extremes(bad="lightgray")
    image = axes.imshow(means, origin="lower", cmap=colors, aspect="auto")
    for row, y in enumerate(y_values):
        for column, x in enumerate(x_values):
            point = cells.at(x, y)
            found = cells.errors.get(point)
            text = "no run" if found is None else f"{found.mean:.2f}"
            text += "" if found is None or found.std is None else f"\n± {found.std:.2f}"
            text += f"\nn = {found.n}" if found is not None and counts_differ else ""
            text += "\n★" if point in cells.chosen else ""
            dark = found is not None and image.norm(found.mean) > 0.5
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
            if found is not None and point in cells.best:
                frame = Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, fill=False, edgecolor="red", linewidth=2.5)
                axes.add_patch(frame)
    axes.set_xticks(range(len(x_values)), [_short(value) for value in x_values])
    axes.set_yticks(range(len(y_values)), [_short(value) for value in y_values])
    star = f"; ★ lowest validation error{_tie(cells.chosen)}" if cells.chosen else ""
    axes.set_xlabel(f"{x_key}\nred frame: lowest test error{_tie(cells.best)}{star}")
    axes.set_ylabel(y_key)
    figure.colorbar(image, ax=axes)


def _line(figure: Any, axes: Any, cells: Cells) -> None:
    [(key, values)] = cells.axes.items()
    there = [value for value in values if cells.at(value) in cells.errors]
    found = [cells.errors[cells.at(value)] for value in there]
    spreads = [one.std or 0.0 for one in found]
    means = [one.mean for one in found]
    axes.errorbar(there, means, yerr=spreads, marker="o", capsize=4, color="black", linewidth=1.2)
    place = cells.keys.index(key)
    for tied, look, label in (
        (cells.best, {"marker": "o", "mfc": "none", "mec": "red", "mew": 2, "ms": 13}, "lowest test error"),
        (
            cells.chosen,
            {"marker": "*", "color": "gold", "mec": "black", "ms": 12, "zorder": 5},
            "lowest validation error",
        ),
    ):
        at, heights = [point[place] for point in tied], [cells.errors[point].mean for point in tied]
        if tied:
            axes.plot(at, heights, linestyle="none", label=f"{label}{_tie(tied)}", **look)
    if len({one.n for one in found}) > 1:
        for value, one in zip(there, found, strict=True):
            axes.annotate(f"n = {one.n}", (value, one.mean), xytext=(6, 6), textcoords="offset points", fontsize=8)
    if values[0] > 0 and values[-1] / values[0] > 8:
        axes.set_xscale("log")
    axes.set_xlabel(key)
    axes.set_ylabel("test error (%)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _tie(tied: Sequence[Point]) -> str:
    """Say how many points tie, if several do."""
    return f" ({len(tied)} tie)" if len(tied) > 1 else ""


def _mean(cells: Cells, point: Point) -> float:
    return cells.errors[point].mean if point in cells.errors else float("nan")


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(values)) if all(_is_number(value) for value in values) else values


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
