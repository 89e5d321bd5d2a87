"""Test accuracy over the mismatch of the unlabeled images, a line an algorithm, with the area under it, and the figure.

The area under a line, by trapezoids and over the range of the mismatch, is the mean accuracy if every mismatch in the
range were as likely; the worst case is the lowest mean. Supervised training does not see the unlabeled images, so it is
one level across the figure, from whatever ratios it was run at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.report.markdown import show_spread
from usb_negsamp.run.report.measures import Measure, common_measure
from usb_negsamp.run.report.paired_statistics import Difference, Spread, paired_difference, spread
from usb_negsamp.run.sweep.plan import Plan, Run

KEY = "mismatch_ratio"
PICTURE = "mismatch_curve.png"
REFERENCE = "supervised"
MARKERS = "osD^vP*X"
"""Of the lines, beside their colors."""
BySplit = dict[str, float]


@dataclass(frozen=True)
class Line:
    """One algorithm's accuracies in percent, runs on one split averaged.

    Attributes:
        name: what tells it from the other lines.
        ratios: every mismatch of the sweep, ascending.
        accuracies: by mismatch, then by split seed; only what has finished.
        level: whether it does not depend on the mismatch.
    """

    name: str
    ratios: tuple[float, ...]
    accuracies: dict[float, BySplit]
    level: bool = False

    def at(self, ratio: float) -> Spread | None:
        """Mean and spread over the splits at one mismatch; of a level line, over the whole range."""
        values = self.areas() if self.level else self.accuracies.get(ratio, {})
        return spread(list(values.values())) if values else None

    def areas(self) -> BySplit:
        """The normalized area of each split that has every mismatch; of a level line, the mean of each split."""
        splits = {split: None for values in self.accuracies.values() for split in values}
        found = {}
        for split in splits:
            values = [by_split[split] for by_split in self.accuracies.values() if split in by_split]
            if self.level:
                found[split] = math.fsum(values) / len(values)
            elif len(values) == len(self.ratios):
                found[split] = normalized_area(self.ratios, values)
        return found

    def worst(self) -> tuple[float, float]:
        """The lowest mean accuracy, and the first mismatch that has it."""
        means = {ratio: found.mean for ratio in self.ratios if (found := self.at(ratio)) is not None}
        ratio = min(means, key=means.__getitem__)
        return means[ratio], ratio


@dataclass(frozen=True)
class MismatchCurve:
    """The lines of a sweep over the mismatch.

    Attributes:
        ratios: ascending.
        lines: those with a finished run.
        measure: the figure shown, or None where the runs have none in common.
        setting: data, labels and protocol in words.
    """

    ratios: tuple[float, ...]
    lines: tuple[Line, ...]
    measure: Measure | None
    setting: str

    @property
    def reference(self) -> Line | None:
        """The line of supervised training, if there is one."""
        return next((line for line in self.lines if line.level), None)

    def over_reference(self, line: Line) -> Difference | None:
        """The area above supervised training, paired over the splits."""
        reference = self.reference
        return None if reference is None or line.level else paired_difference(line.areas(), reference.areas())

    def below_reference(self, line: Line) -> list[float]:
        """The mismatches at which the mean is lower than that of supervised training, over the splits of both."""
        reference = self.reference
        if reference is None or line.level:
            return []
        found = []
        for ratio in self.ratios:
            difference = paired_difference(line.accuracies.get(ratio, {}), reference.areas())
            if difference is not None and difference.mean < 0:
                found.append(ratio)
        return found

    def summary(self) -> list[str]:
        """Return lines for a summary, one for each algorithm."""
        width = max((len(line.name) for line in self.lines), default=0)
        shown = []
        for line in self.lines:
            worst, ratio = line.worst()
            where = "" if line.level else f", worst {worst:.2f}% at mismatch {ratio:g}"
            below = self.below_reference(line)
            under = f", below {REFERENCE} at {numbers(below)}" if below else ""
            area = show_area(line, "%")
            shown.append(f"  {line.name:<{width}}  accuracy over the range {area}{where}{under}")
        return shown

    def why_no_picture(self) -> str:
        """Return why there can be none, or an empty text."""
        return "the runs have no figure in common" if self.measure is None or not self.lines else ""


def normalized_area(ratios: Sequence[float], values: Sequence[float]) -> float:
    """Area under the polygon through the points, divided by the range of ``ratios``, which ascend.

    >>> normalized_area([0.0, 0.25, 0.5], [80.0, 60.0, 60.0])
    65.0
    """
    steps = zip(ratios, ratios[1:], values, values[1:], strict=False)
    return math.fsum((b - a) * (low + high) / 2 for a, b, low, high in steps) / (ratios[-1] - ratios[0])


def show_area(line: Line, unit: str = "") -> str:
    """Return mean and spread of the areas, or why there are none."""
    areas = line.areas()
    return f"{show_spread(spread(list(areas.values())))}{unit}" if areas else "unknown: no split has every mismatch"


def numbers(values: Sequence[float]) -> str:
    """Return the values in short, between commas."""
    return ", ".join(f"{value:g}" for value in values)


def curve_of(plan: Plan, rows: Sequence[tuple[Run, Mapping[str, str]]]) -> MismatchCurve | None:
    """Return the curve of a sweep's finished runs; None where the sweep does not vary the mismatch."""
    values = plan.grid.get(KEY, ())
    if len(values) < 2 or not all(isinstance(value, (int, float)) for value in values):
        return None
    ratios = tuple(sorted(float(value) for value in values))
    others = [key for key, tried in plan.grid.items() if key != KEY and (len(tried) > 1 or key == "algorithm")]
    try:
        measure = common_measure([row for _, row in rows])
    except ConfigError:
        return MismatchCurve(ratios, (), None, "")
    found: dict[str, dict[float, dict[str, list[float]]]] = {}
    algorithms: dict[str, str] = {}
    for run, row in rows:
        name = _name(run, others)
        algorithms[name] = str(run.config["algorithm"])
        error = measure.error(row)
        assert error is not None
        by_split = found.setdefault(name, {}).setdefault(float(run.point[KEY]), {})
        by_split.setdefault(row["split_seed"], []).append(100.0 - error)
    # With several supervised lines there is no one level to compare with, and each is drawn as it is.
    one_reference = list(algorithms.values()).count(REFERENCE) == 1
    lines = []
    for name, by_ratio in found.items():
        means = {
            ratio: {split: spread(accuracies).mean for split, accuracies in by_ratio[ratio].items()}
            for ratio in ratios
            if ratio in by_ratio
        }
        lines.append(Line(name, ratios, means, one_reference and algorithms[name] == REFERENCE))
    return MismatchCurve(ratios, tuple(lines), measure, _setting([run.config for run in plan.runs]))


def draw_mismatch_curve(curve: MismatchCurve, path: Path) -> None:
    """Draw the lines with their spread, and supervised training as a level with its own, to ``path``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    draw_panels([curve], figure)
    write_picture(figure, path, dpi=130)


def draw_panels(curves: Sequence[MismatchCurve], figure: Any) -> None:
    """Draw a panel for each curve into matplotlib's ``figure``, with what they share said once."""
    panels = figure.subplots(1, len(curves), squeeze=False)[0]
    named: dict[str, Any] = {}
    for curve, axes in zip(curves, panels, strict=True):
        draw_lines(curve, axes)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    measure = curves[0].measure
    assert measure is not None
    counts = sorted({len(found) for one in curves for line in one.lines for found in line.accuracies.values()})
    number = f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    panels[0].set_ylabel("test accuracy on seen classes (%)")
    told = f"accuracy {measure.meaning}: mean over {number} label splits, in a band of ± its standard deviation"
    figure.suptitle(told, fontsize=9)
    if len(curves) == 1:
        figure.legend(named.values(), named.keys(), loc="outside right upper", frameon=False, fontsize=9)
    else:
        columns = min(len(named), 5)
        figure.legend(
            named.values(), named.keys(), loc="outside lower center", ncols=columns, frameon=False, fontsize=9
        )


def draw_lines(curve: MismatchCurve, axes: Any) -> None:
    """Draw the lines of one curve on one of matplotlib's axes, each in a band of its spread."""
    drawn = [line for line in curve.lines if not line.level]
    for line in curve.lines:
        if line.level:
            found = line.at(curve.ratios[0])
            assert found is not None
            axes.axhline(found.mean, color="black", linestyle="--", linewidth=1.2, label=line.name)
            if found.std is not None:
                ends = (found.mean - found.std, found.mean + found.std)
                axes.axhspan(*ends, color="black", alpha=0.12, linewidth=0, label=f"{line.name}, ± standard deviation")
            continue
        points = [(ratio, found) for ratio in line.ratios if (found := line.at(ratio)) is not None]
        ratios, means = [ratio for ratio, _ in points], [found.mean for _, found in points]
        spreads = [found.std or 0.0 for _, found in points]
        marker = MARKERS[drawn.index(line) % len(MARKERS)]
        [shown] = axes.plot(ratios, means, marker=marker, markersize=4.5, linewidth=1.5, label=line.name)
        low, high = ([mean + sign * std for mean, std in zip(means, spreads, strict=True)] for sign in (-1, 1))
        axes.fill_between(ratios, low, high, color=shown.get_color(), alpha=0.07, linewidth=0)
    axes.set_title(curve.setting, fontsize=9)
    axes.set_xlabel("mismatch: share of unseen classes", fontsize=9)
    axes.grid(alpha=0.3)


def _name(run: Run, others: Sequence[str]) -> str:
    parts = [str(run.config["algorithm"])]
    return " ".join(parts + [f"{key}={run.point[key]}" for key in others if key != "algorithm"])


def _setting(configs: Sequence[Mapping[str, Any]]) -> str:
    """Return data, labels and protocol in words; what the lines differ in, their names say.

    >>> config = {"dataset": "digits", "num_labels": 24, "seen_classes": [0, 1], "mismatch_protocol": "fixed_total"}
    >>> _setting([config, {**config, "num_labels": 60, "dataset": "usps"}])
    'digits or usps, 24 or 60 labels of 2 seen classes, fixed_total'
    """

    def either(values: Sequence[Any]) -> str:
        return " or ".join(dict.fromkeys(str(value) for value in values))

    datasets = either([config["dataset"] for config in configs])
    labels = either([config["num_labels"] for config in configs])
    seen = [config.get("seen_classes") for config in configs]
    classes = either([len(each) if isinstance(each, (list, tuple)) else each for each in seen])
    protocol = either([config.get("mismatch_protocol") for config in configs])
    return f"{datasets}, {labels} labels of {classes} seen classes, {protocol}"
