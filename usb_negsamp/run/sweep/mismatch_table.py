"""The table of a sweep over the mismatch: accuracies, areas and worst cases, a row an algorithm."""

from __future__ import annotations

from usb_negsamp.run.markdown_table import format_table
from usb_negsamp.run.report.markdown import show_difference, show_spread
from usb_negsamp.run.report.paired_statistics import Spread
from usb_negsamp.run.sweep.mismatch_curve import KEY, REFERENCE, Line, MismatchCurve, numbers, show_area

TABLE = "mismatch_curve.md"


def mismatch_table(curve: MismatchCurve) -> str:
    """Return the table with its caption as Markdown; ``curve`` must have a measure."""
    compared = curve.reference is not None
    head = ["algorithm", *(f"{ratio:g}" for ratio in curve.ratios), "area", "worst", "at", "n"]
    head += [f"area over {REFERENCE}", f"below {REFERENCE} at"] if compared else []
    rows = []
    for line in curve.lines:
        worst, where = line.worst()
        cells = [line.name, *(_shown(line.at(ratio)) for ratio in curve.ratios), show_area(line)]
        cells += [f"{worst:.2f}", "" if line.level else f"{where:g}", _counts(line)]
        if compared:
            over = curve.over_reference(line)
            cells += ["" if over is None else show_difference(over), numbers(curve.below_reference(line))]
        rows.append(cells)
    marks = [" - ", *[" -: "] * (len(head) - 1)]
    return f"{caption(curve)}\n\n{format_table(head, rows, marks)}"


def caption(curve: MismatchCurve) -> str:
    """Return what the figures are."""
    assert curve.measure is not None
    text = (
        f"{curve.setting}. Test accuracy in percent on seen classes over {KEY}, {curve.measure.meaning}; mean ± "
        "standard deviation over n label splits. Area: under the line, by trapezoids, over the range, of the splits "
        "that have every mismatch; worst: the lowest mean, and where."
    )
    if curve.reference is not None:
        text += (
            f" {REFERENCE.capitalize()} training does not depend on the mismatch: one run on each split, or the mean "
            "of several, stands for every mismatch. Differences are on the same splits, with their 95% interval "
            "(paired t)."
        )
    return text


def _shown(found: Spread | None) -> str:
    return "" if found is None else show_spread(found)


def _counts(line: Line) -> str:
    counts = sorted({len(values) for values in line.accuracies.values()})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
