"""curve.png: losses and evaluation accuracy over the iterations of a run, or over SPL's rounds where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.figures.spl_rounds import draw_rounds, rounds_alone

LOSSES = {
    "train/sup_loss": "labeled loss",
    "train/unsup_loss": "unlabeled loss",
    "train/ns3l_loss": "NS3L loss",
    "train/dnll_cross_loss": "DNLL cross loss",
    "train/total_loss": "total loss",
}

# In percent on the axis of the accuracy.
OPEN_SET = {
    "eval/open/auroc": "AUROC, seen against unseen",
    "train/open/confident_unseen": "unseen images with a confident label",
}


def draw_curve(records: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Draw the records of a metrics file to ``path``.

    Args:
        records: what :func:`usb_negsamp.run.records.metrics.read_metrics` returns.
        path: the PNG file to write.
        title: shown above the two panels.
    """
    from matplotlib.figure import Figure

    if rounds_alone(records):
        draw_rounds(records, path, title)
        return
    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    lowest = 0.0
    for name, label in LOSSES.items():
        iterations, values = _series(records, name)
        if iterations:
            upper.plot(iterations, values, label=label, linewidth=1.2)
            lowest = min(lowest, *values)
    upper.set_ylabel("training loss")
    if lowest >= 0:
        upper.set_ylim(bottom=0)
    iterations, values = _series(records, "eval/top-1-acc")
    percents = [100 * value for value in values]
    lower.plot(iterations, percents, color="black", marker=".", linewidth=1.2, label="evaluation")
    if iterations:
        best = max(range(len(values)), key=values.__getitem__)
        lower.annotate(
            f"best {percents[best]:.1f}% at {iterations[best]}",
            (iterations[best], percents[best]),
            xytext=(0, -14),
            textcoords="offset points",
            # Towards the middle, so that the text stays inside the axes.
            ha="right" if 2 * iterations[best] > records[-1]["it"] else "left",
        )
    for name, label in OPEN_SET.items():
        at, shares = _series(records, name)
        if at:
            lower.plot(at, [100 * share for share in shares], marker=".", linewidth=1.0, linestyle="--", label=label)
    lower.set_ylabel("evaluation accuracy (%)" if len(lower.lines) == 1 else "evaluation (%)")
    lower.set_xlabel("iteration")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    figure.suptitle(title)
    write_picture(figure, path)


def _series(records: Sequence[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    points = [(record["it"], record[name]) for record in records if record.get(name) is not None]
    return [it for it, _ in points], [value for _, value in points]
