"""negatives.png: what two networks that exchange pseudo-negative labels agree on, and how often the labels are wrong.

Beside what was measured in training stands what Theorems 3.1 and 3.2 of DNLL's paper expect of negatives drawn with
equal probability: of the error rate of pseudo labels, a share of m / (K - 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from usb_negsamp.functional import (
    different_negatives_rate,
    different_negatives_rate_of_paper,
    negative_error_rate,
)
from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.records.directory import METRICS, NEGATIVES
from usb_negsamp.run.records.metrics import read_metrics

AGREEMENT = "train/dnll_agreement"
DIFFERENT = "train/dnll_different_negatives"
LABEL_ERROR = "train/dnll_pseudo_label_error"
NEGATIVE_ERROR = "train/dnll_negative_error"
LARGEST_NUMBER_OF_POINTS = 60
"""A logged figure is of one batch: where there are more, neighbors are averaged."""


@dataclass(frozen=True)
class Point:
    """Means over some logged iterations; a figure that the run does not have is None.

    Attributes:
        it: the mean iteration.
        agreement: share of samples with the same pseudo label.
        different: share of samples with different sets of negatives.
        label_error: share of wrong pseudo labels.
        negative_error: share of samples whose negatives hold the true class.
    """

    it: float
    agreement: float | None
    different: float | None
    label_error: float | None
    negative_error: float | None

    @property
    def ratio(self) -> float | None:
        """Error rate of negatives over that of pseudo labels; none where no pseudo label is wrong."""
        return self.negative_error / self.label_error if self.label_error and self.negative_error is not None else None


def points_of(records: Sequence[Mapping[str, Any]]) -> list[Point]:
    """Return the figures of a metrics file, neighbors averaged; nothing for a run without DNLL."""
    found = [record for record in records if record.get(AGREEMENT) is not None]
    width = -(-len(found) // LARGEST_NUMBER_OF_POINTS) or 1
    return [_point(found[start : start + width]) for start in range(0, len(found), width)]


def draw_negatives(
    records: Sequence[Mapping[str, Any]], path: Path, title: str, num_classes: int, num_negatives: int
) -> bool:
    """Draw the records of a metrics file to ``path``; returns whether there was something to draw.

    Args:
        records: what :func:`usb_negsamp.run.records.metrics.read_metrics` returns.
        path: the PNG file to write.
        title: shown above the panels.
        num_classes: K.
        num_negatives: m.
    """
    points = points_of(records)
    if not points:
        return False
    from matplotlib.figure import Figure

    with_errors = any(point.negative_error is not None for point in points)
    count = 3 if with_errors else 1
    figure = Figure(figsize=(9.0, 2.6 * count + 1.0), layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    _draw_agreement(panels[0], points, num_classes, num_negatives)
    if with_errors:
        _draw_errors(panels[1], points, num_classes, num_negatives)
        _draw_ratio(panels[2], points, num_classes, num_negatives)
    for axes in panels:
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    panels[-1].set_xlabel("iteration")
    figure.suptitle(f"{title}\nm = {num_negatives} of K - 1 = {num_classes - 1} classes as negatives", fontsize=10)
    write_picture(figure, path)
    return True


def ratios_so_far(points: Sequence[Point]) -> list[tuple[float, float]]:
    """Return (iteration, error rate of all negatives over that of all pseudo labels up to it), where any was wrong.

    >>> ratios_so_far([Point(10, None, None, 0.4, 0.2), Point(20, None, None, 0.1, 0.0)])
    [(10, 0.5), (20, 0.4)]
    """
    found = []
    of_labels = of_negatives = 0.0
    for point in points:
        if point.label_error is not None and point.negative_error is not None:
            of_labels += point.label_error
            of_negatives += point.negative_error
            if of_labels > 0:
                found.append((point.it, of_negatives / of_labels))
    return found


def _point(records: Sequence[Mapping[str, Any]]) -> Point:
    def mean(name: str) -> float | None:
        values = [float(record[name]) for record in records if record.get(name) is not None]
        return sum(values) / len(values) if values else None

    at = sum(record["it"] for record in records) / len(records)
    return Point(at, mean(AGREEMENT), mean(DIFFERENT), mean(LABEL_ERROR), mean(NEGATIVE_ERROR))


def _draw_agreement(axes: Any, points: Sequence[Point], num_classes: int, num_negatives: int) -> None:
    known = [(point.it, point.agreement, point.different) for point in points if point.agreement is not None]
    its = [it for it, _, _ in known]
    axes.plot(its, [agreement for _, agreement, _ in known], color="C0", label="same pseudo label")
    there = [(it, different) for it, _, different in known if different is not None]
    axes.plot([it for it, _ in there], [value for _, value in there], color="C1", label="different negatives")
    predicted = [different_negatives_rate(min(1.0, agreement), num_classes, num_negatives) for _, agreement, _ in known]
    axes.plot(its, predicted, color="black", linestyle="--", linewidth=1.0, label="different negatives, expected")
    if num_negatives <= num_classes - 2:
        paper = [
            different_negatives_rate_of_paper(min(1.0, agreement), num_classes, num_negatives)
            for _, agreement, _ in known
        ]
        axes.plot(its, paper, color="gray", linestyle=":", linewidth=1.0, label="the same by the paper's equation 29")
    axes.set_ylabel("share of samples")


def _draw_errors(axes: Any, points: Sequence[Point], num_classes: int, num_negatives: int) -> None:
    known = [
        (point.it, point.label_error, point.negative_error)
        for point in points
        if point.label_error is not None and point.negative_error is not None
    ]
    its = [it for it, _, _ in known]
    axes.plot(its, [error for _, error, _ in known], color="C3", label="pseudo labels, measured")
    axes.plot(its, [error for _, _, error in known], color="C2", label="transferred negatives, measured")
    predicted = [negative_error_rate(error, num_classes, num_negatives) for _, error, _ in known]
    axes.plot(its, predicted, color="black", linestyle="--", linewidth=1.0, label="m / (K - 1) of the pseudo labels'")
    axes.set_ylabel("error rate")


def _draw_ratio(axes: Any, points: Sequence[Point], num_classes: int, num_negatives: int) -> None:
    known = [(point.it, ratio) for point in points if (ratio := point.ratio) is not None]
    axes.plot([it for it, _ in known], [ratio for _, ratio in known], color="C2", alpha=0.4, label="measured")
    so_far = ratios_so_far(points)
    axes.plot([it for it, _ in so_far], [ratio for _, ratio in so_far], color="C2", label="measured, up to here")
    share = num_negatives / (num_classes - 1)
    axes.axhline(share, color="black", linestyle="--", linewidth=1.0, label=f"m / (K - 1) = {share:.3f}")
    axes.set_ylabel("error rate of negatives\nover that of pseudo labels")


def draw_negatives_of(run: Path, config: dict[str, Any]) -> bool:
    """Draw the run's negatives.png, if it trained DNLL; returns whether it did."""
    if config.get("dnll_num_negatives") is None:
        return False
    return draw_negatives(
        read_metrics(run / METRICS),
        run / NEGATIVES,
        title_of(config),
        num_classes=config["num_classes"],
        num_negatives=config["dnll_num_negatives"],
    )


def title_of(config: dict[str, Any]) -> str:
    """What was trained on what."""
    return f"{config['algorithm']} on {config['dataset']}, {config['num_labels']} labels"
