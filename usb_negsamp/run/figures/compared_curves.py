"""compare.png: training loss and evaluation accuracy of several runs, over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.figures.picture import write_picture
from usb_negsamp.run.figures.spl_rounds import ROUND

SOFTWARE = "usb-negsamp compare"
"""By this a picture of ours is known again."""
LOSS, ACCURACY = "train/total_loss", "eval/top-1-acc"
MOST_IN_LEGEND = 20

Records = Sequence[Mapping[str, Any]]


def check_own_picture(path: Path) -> None:
    """Refuse to replace what :func:`draw_compared` has not written.

    Raises:
        ConfigError: a folder, or another file, is there.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: expected a file for the picture, but it is a folder")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{path}: expected a folder that is there, but there is no {path.parent}")
    if not path.exists():
        return
    try:
        with Image.open(path) as picture:
            is_ours = picture.info.get("Software") == SOFTWARE
    except OSError:
        is_ours = False
    if not is_ours:
        raise ConfigError(f"{path}: expected nothing, or a picture that this command wrote; give --out FILE")


def draw_compared(runs: Mapping[str, Records], path: Path) -> None:
    """Draw the runs' records to ``path``.

    Args:
        runs: what :func:`usb_negsamp.run.records.metrics.read_metrics` returns, by the names for the legend.
        path: the PNG file to write.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 6.0), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    colors = colormaps["tab10" if len(runs) <= 10 else "turbo"]
    for number, (name, records) in enumerate(runs.items()):
        color: Any = colors(number) if len(runs) <= 10 else colors(number / (len(runs) - 1))
        training = [record for record in records if ROUND not in record]
        for axes, column, scale in ((upper, LOSS, 1.0), (lower, ACCURACY, 100.0)):
            points = [(record["it"], scale * record[column]) for record in training if record.get(column) is not None]
            axes.plot([it for it, _ in points], [value for _, value in points], color=color, label=name, linewidth=1.2)
    upper.set_ylabel("total training loss")
    lower.set_ylabel("evaluation accuracy (%)")
    lower.set_xlabel("iteration")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    handles, labels = lower.get_legend_handles_labels()
    # A name with an underscore first would be left out of a legend that is made by itself.
    shown = slice(0, MOST_IN_LEGEND)
    figure.legend(handles[shown], labels[shown], loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    write_picture(figure, path, metadata={"Software": SOFTWARE})
