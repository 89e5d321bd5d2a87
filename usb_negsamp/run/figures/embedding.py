"""tsne.png: the features of both networks on test images in two dimensions, as in Figure 5 of DNLL's paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from usb_negsamp.run.figures.picture import write_picture

if TYPE_CHECKING:
    from usb_negsamp.host.evaluation.network_features import NetworkFeatures

LARGEST_PERPLEXITY = 30.0


def embedding(features: np.ndarray, seed: int) -> np.ndarray:
    """Return the t-SNE (N, 2) of features (N, D), from their first two principal components; N is at least 3."""
    from sklearn.manifold import TSNE

    perplexity = min(LARGEST_PERPLEXITY, (len(features) - 1) / 3)
    start = "pca" if min(features.shape) >= 2 else "random"
    found: np.ndarray = TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(features)
    return found


def draw_embeddings(networks: Sequence[NetworkFeatures], labels: np.ndarray, path: Path, title: str, seed: int) -> None:
    """Draw a panel for each network to ``path``, a color for each class.

    Args:
        networks: what :func:`usb_negsamp.host.evaluation.network_features.features_of_run` returns.
        labels: (N,) true classes.
        path: the PNG file to write.
        title: shown above the panels.
        seed: of t-SNE.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(networks), 5.4), layout="constrained")
    panels = figure.subplots(1, len(networks), squeeze=False)[0]
    classes = np.unique(labels)
    colors = colormaps["tab10" if len(classes) <= 10 else "gist_ncar"]
    for axes, network in zip(panels, networks, strict=True):
        points = embedding(network.features, seed)
        for rank, label in enumerate(classes):
            color: Any = colors(rank) if len(classes) <= 10 else colors(rank / len(classes))
            rows = labels == label
            axes.scatter(points[rows, 0], points[rows, 1], s=6, color=color, label=str(label))
        right = 100 * float((network.predictions == labels).mean())
        axes.set_title(f"{network.name}: {right:.1f}% of {len(labels)} test images right", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    if len(classes) <= 20:
        panels[-1].legend(frameon=False, fontsize=8, markerscale=2, title="class")
    figure.suptitle(title)
    write_picture(figure, path)
