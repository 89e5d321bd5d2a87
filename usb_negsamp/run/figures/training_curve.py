"""curve.png: losses and evaluation accuracy over the iterations of a run, and over the rounds of SPL, if there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.figures.spl_rounds import draw_round_panels, draw_rounds, rounds_of

LOSSES = {
    "train/sup_loss": "labeled loss",
    "train/unsup_loss": "unlabeled loss",
    "train/ns3l_loss": "NS3L loss",
    "train/dnll_cross_loss": "DNLL cross loss",
    "train/total_loss": "total loss, each with its weight",
}

# In percent on the axis of the accuracy.
OPEN_SET = {
    "eval/open/auroc": "AUROC, seen against unseen",
    "train/open/confident_unseen": "unseen images with a confident label",
}


def draw_curve(records: Sequence[dict[str, Any]], path: Path, title: str, evaluated: str = "evaluation") -> None:
    """Draw the records of a metrics file to ``path``.

    Args:
        records: what :func:`usb_negsamp.run.records.metrics.read_metrics` returns.
        path: the PNG file to write.
        title: shown above the panels.
        evaluated: the images of the evaluations in a word, as ``validation`` or ``test``.
    """
    from matplotlib.figure import Figure

    rounds = rounds_of(records)
    training = [record for record in records if record not in rounds]
    if rounds and not training:
        draw_rounds(rounds, path, title)
        return
    if rounds:
        figure = Figure(figsize=(11.0, 6.0), layout="constrained")
        panels = figure.subplots(2, 2, sharex="col", width_ratios=(3, 2))
        draw_round_panels(panels[0, 1], panels[1, 1], rounds)
        upper, lower = panels[:, 0]
    else:
        figure = Figure(figsize=(7.0, 6.0), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
    _draw_losses(upper, training)
    _draw_evaluations(lower, training, evaluated)
    lower.set_xlabel("iteration")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    figure.suptitle(title)
    write_picture(figure, path)


def _draw_losses(axes: Any, records: Sequence[dict[str, Any]]) -> None:
    lowest, logged = 0.0, 0
    for name, label in LOSSES.items():
        iterations, values = _series(records, name)
        if iterations:
            axes.plot(iterations, values, label=label, linewidth=1.2)
            lowest = min(lowest, *values)
            logged += name != "train/total_loss"
    axes.set_ylabel("training loss" + (", each before its weight" if logged > 1 else ""))
    if lowest >= 0:
        axes.set_ylim(bottom=0)


def _draw_evaluations(axes: Any, records: Sequence[dict[str, Any]], evaluated: str) -> None:
    iterations, values = _series(records, "eval/top-1-acc")
    percents = [100 * value for value in values]
    axes.plot(iterations, percents, color="black", marker=".", linewidth=1.2, label=f"accuracy, {evaluated}")
    if iterations:
        best = max(range(len(values)), key=values.__getitem__)
        ring = f"best {percents[best]:.1f}% at {iterations[best]}"
        axes.plot([iterations[best]], [percents[best]], "o", mfc="none", mec="C3", mew=1.6, ms=9, label=ring)
    others = 0
    for name, label in OPEN_SET.items():
        at, shares = _series(records, name)
        if at:
            axes.plot(at, [100 * share for share in shares], marker=".", linewidth=1.0, linestyle="--", label=label)
            others += 1
    axes.set_ylabel("accuracy and rates (%)" if others else f"{evaluated} accuracy (%)")


def _series(records: Sequence[dict[str, Any]], name: str) -> tuple[list[int], list[float]]:
    points = [(record["it"], record[name]) for record in records if record.get(name) is not None]
    return [it for it, _ in points], [value for _, value in points]
