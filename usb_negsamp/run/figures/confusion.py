"""The confusion matrix of an evaluation as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_NUMBERS = 20
"""Classes up to which every share is written into its square, and every class at its row."""


def confusion_figure(shares: np.ndarray, classes: Sequence[str]) -> Figure:
    """Draw a confusion matrix.

    Args:
        shares: (K, K), of the images of each true class (row) that were taken for each class (column).
        classes: K names.
    """
    from matplotlib.figure import Figure

    side = min(10.0, 2.5 + 0.4 * len(classes))
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class")
    if len(classes) <= MOST_NUMBERS:
        axes.set_xticks(range(len(classes)), classes, rotation=90)
        axes.set_yticks(range(len(classes)), classes)
        for (row, column), share in np.ndenumerate(shares):
            if share:
                color = "white" if share > 0.5 else "black"
                axes.text(column, row, f"{share:.2f}", ha="center", va="center", fontsize=7, color=color)
    return figure
