"""The test error over the values that a sweep varied, as in the NS3L paper's Figure 3: the cells, and their picture."""

from __future__ import annotations

from collections.abc import Sequence
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
    def best(self) -> Point:
        """The point of the lowest mean test error."""
        return min(self.errors, key=lambda point: self.errors[point].mean)

    @property
    def chosen(self) -> Point | None:
        """The point of the lowest mean validation error: what one may pick without looking at the test images."""
        return min(self.validation, key=self.validation.__getitem__) if self.validation else None

    def lines(self) -> list[str]:
        """Return lines for a summary: what the validation images choose, and what the test images would."""
        if self.measure is None or not self.keys:
            return []
        lines = []
        if self.chosen is not None:
            lines.append(f"  chosen      {self._shown(self.chosen, 'lowest validation error')}")
        if self.best != self.chosen:
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

    def at(self, *values: Any) -> Point:
        """Return the point where the axes have these values."""
        wanted = dict(zip(self.axes, values, strict=True))
        return next(p for p in self.points if all(p[self.keys.index(key)] == v for key, v in wanted.items()))

    def _shown(self, point: Point, why: str) -> str:
        assert self.measure is not None
        found = self.errors[point]
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
    counts = {found.n for found in cells.errors.values()}
    seeds = f"n = {min(counts)}" if len(counts) == 1 else f"n = {min(counts)} to {max(counts)}"
    title = f"test error (%), {cells.measure.rule}; mean and standard deviation, {seeds}"
    axes.set_title(title, fontsize=9)
    write_picture(figure, path, dpi=130)


def _heat_map(figure: Any, axes: Any, cells: Cells) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    (x_key, x_values), (y_key, y_values) = cells.axes.items()
    means = [[_mean(cells, cells.at(x, y)) for x in x_values] for y in y_values]
    colors = colormaps["viridis_r"].with_extremes(bad="lightgray")
    image = axes.imshow(means, origin="lower", cmap=colors, aspect="auto")
    for row, y in enumerate(y_values):
        for column, x in enumerate(x_values):
            point = cells.at(x, y)
            found = cells.errors.get(point)
            text = "no run" if found is None else f"{found.mean:.2f}"
            text += "" if found is None or found.std is None else f"\n± {found.std:.2f}"
            text += "\n★" if point == cells.chosen else ""
            dark = found is not None and image.norm(found.mean) > 0.5
            axes.text(column, row, text, ha="center", va="center", fontsize=9, color="white" if dark else "black")
            if found is not None and point == cells.best:
                frame = Rectangle((column - 0.48, row - 0.46), 0.96, 0.92, fill=False, edgecolor="red", linewidth=2.5)
                axes.add_patch(frame)
    axes.set_xticks(range(len(x_values)), [_short(value) for value in x_values])
    axes.set_yticks(range(len(y_values)), [_short(value) for value in y_values])
    star = "; ★ lowest validation error" if cells.chosen is not None else ""
    axes.set_xlabel(f"{x_key}\nred frame: lowest test error{star}")
    axes.set_ylabel(y_key)
    figure.colorbar(image, ax=axes)


def _line(figure: Any, axes: Any, cells: Cells) -> None:
    [(key, values)] = cells.axes.items()
    there = [value for value in values if cells.at(value) in cells.errors]
    found = [cells.errors[cells.at(value)] for value in there]
    spreads = [one.std or 0.0 for one in found]
    means = [one.mean for one in found]
    axes.errorbar(there, means, yerr=spreads, marker="o", capsize=4, color="black", linewidth=1.2)
    best = means.index(min(means))
    axes.plot(there[best], means[best], "o", mfc="none", mec="red", mew=2, ms=13, label="lowest test error")
    if cells.chosen is not None:
        value = cells.chosen[cells.keys.index(key)]
        mean = cells.errors[cells.chosen].mean
        axes.plot(value, mean, "*", color="gold", mec="black", ms=12, zorder=5, label="lowest validation error")
    if values[0] > 0 and values[-1] / values[0] > 8:
        axes.set_xscale("log")
    axes.set_xlabel(key)
    axes.set_ylabel("test error (%)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _mean(cells: Cells, point: Point) -> float:
    return cells.errors[point].mean if point in cells.errors else float("nan")


def _ascending(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(values)) if all(_is_number(value) for value in values) else values


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
