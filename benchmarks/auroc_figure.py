"""Draw accuracy on seen classes over the AUROC of unseen ones, a point a method, a panel a data set.

    python benchmarks/auroc_figure.py benchmarks/open_set/usps.csv ... --mismatch 0.6 --out docs/accuracy_over_auroc.png

Points are means over label splits of the model that was best on validation, with ``--measure last`` of the last one,
bars their standard deviations. To the upper right a method does both: it names seen classes rightly, and its scores
tell unseen ones apart. The AUROC is that of the method's own rejection score.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.records.results import read_rows
from usb_negsamp.run.report.measures import find_measure
from usb_negsamp.run.report.paired_statistics import Spread, spread

COLORS = [f"C{number}" for number in range(10)]
MARKERS = "os^Dv"


@dataclass(frozen=True)
class Point:
    """A method's two figures, in percent and as a share, over the label splits."""

    accuracy: Spread
    auroc: Spread


AUROC = {"best": "open_auroc", "last": "open_auroc_last"}
"""The column by what is measured."""


def points_of_rows(rows: Sequence[Mapping[str, str]], mismatch: float, measured: str = "best") -> dict[str, Point]:
    """The point of each method that has rows at ``mismatch``, in the rows' order."""
    measure = find_measure(measured)
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        error = measure.error(row)
        auroc = row.get(AUROC[measured], "")
        if error is not None and auroc and float(row["mismatch_ratio"]) == mismatch:
            found.setdefault(row["method"], []).append((100.0 - error, float(auroc)))
    return {
        method: Point(spread([accuracy for accuracy, _ in pairs]), spread([auroc for _, auroc in pairs]))
        for method, pairs in found.items()
    }


def draw_panel(points: Mapping[str, Point], styles: Mapping[str, tuple[str, str]], axes: Axes, title: str) -> None:
    """Draw one data set's points, each in its method's marker and color."""
    for method, point in points.items():
        marker, color = styles[method]
        axes.errorbar(
            point.auroc.mean,
            point.accuracy.mean,
            xerr=point.auroc.std or 0.0,
            yerr=point.accuracy.std or 0.0,
            fmt=marker,
            color=color,
            markersize=6,
            elinewidth=0.6,
            alpha=0.9,
            label=method,
        )
    axes.axvline(0.5, color="gray", linewidth=0.8, linestyle=":")
    axes.set_title(title)
    axes.set_xlabel("AUROC of seen against unseen test images")
    axes.set_ylabel("accuracy on seen classes (%)")


def main() -> None:
    """Draw the figure that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="+", type=Path)
    parser.add_argument("--mismatch", type=float, default=0.6)
    parser.add_argument("--measure", choices=sorted(AUROC), default="best")
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    rows_of = {path: read_rows(path) for path in options.rows}
    panels = {rows[0]["data"]: points_of_rows(rows, options.mismatch, options.measure) for rows in rows_of.values()}
    methods = dict.fromkeys(method for points in panels.values() for method in points)
    looks = ((marker, color) for marker, color in itertools.product(MARKERS, COLORS))
    styles = dict(zip(methods, looks, strict=False))
    figure = Figure(figsize=(4.2 * len(panels) + 2.2, 4.6), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, points) in zip(all_axes, panels.items(), strict=True):
        draw_panel(points, styles, axes, f"{name}, mismatch {options.mismatch:g}")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
    write_picture(figure, options.out, dpi=160)


if __name__ == "__main__":
    main()
