"""SPL's rounds in curve.png: loss on V1 and accuracy on V2, alone or to the right of the training before them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.run.figures.picture import write_picture

ROUND, LOSS, ACCURACY, RATE = "train/spl_round", "train/spl_v1_loss", "eval/spl_v2_acc", "train/spl_v1_lr"


def rounds_of(records: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the records of a metrics file that are of SPL's rounds, in their order."""
    return [record for record in records if ROUND in record]


def draw_rounds(records: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Draw the rounds, a line for each rate that was tried.

    Args:
        records: of rounds, in their order.
        path: the PNG file to write.
        title: shown above the two panels.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    draw_round_panels(upper, lower, records)
    figure.suptitle(title)
    write_picture(figure, path)


def draw_round_panels(upper: Any, lower: Any, records: Sequence[dict[str, Any]]) -> None:
    """Draw the loss into ``upper`` and the accuracy into ``lower``, two of matplotlib's axes."""
    rates = list(dict.fromkeys(record.get(RATE) for record in records))
    for rate in rates:
        rows = [record for record in records if record.get(RATE) == rate]
        rounds = [record[ROUND] for record in rows]
        label = None if len(rates) == 1 else f"rate {rate:g}"
        # A loss that is not finite is a gap.
        losses = [float("nan") if record[LOSS] is None else record[LOSS] for record in rows]
        upper.plot(rounds, losses, marker=".", linewidth=1.2, label=label)
        lower.plot(rounds, [100 * record[ACCURACY] for record in rows], marker=".", linewidth=1.2, label=label)
    best = max(records, key=_rank)
    ring = f"best {100 * best[ACCURACY]:.1f}% in round {best[ROUND]:.0f}"
    lower.plot([best[ROUND]], [100 * best[ACCURACY]], "o", mfc="none", mec="C3", mew=1.6, ms=9, label=ring)
    upper.set_ylabel("loss on V1 (teaches the mask)")
    lower.set_ylabel("validation accuracy on V2 (%)")
    lower.set_xlabel("SPL's round")
    lower.xaxis.get_major_locator().set_params(integer=True)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)


def _rank(record: dict[str, Any]) -> tuple[bool, float, float]:
    """By what a round is chosen, as the stage chooses it; what it starts with is no candidate."""
    loss = record["eval/spl_v2_loss"]
    return record[ROUND] > 0, record[ACCURACY], float("-inf") if loss is None else -loss
