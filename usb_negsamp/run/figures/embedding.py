"""tsne.png: the features of both networks on test images in two dimensions, as in Figure 5 of DNLL's paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from usb_negsamp.run.figures.picture import write_picture

if TYPE_CHECKING:
    from usb_negsamp.host.evaluation.network_features import ImageLabels, NetworkFeatures

MOST_NAMED = 20
"""Classes that a legend names."""
LARGEST_PERPLEXITY = 30.0


def embedding(features: np.ndarray, seed: int) -> np.ndarray:
    """Return the t-SNE (N, 2) of features (N, D), from their first two principal components; N is at least 3."""
    from sklearn.manifold import TSNE

    perplexity = min(LARGEST_PERPLEXITY, (len(features) - 1) / 3)
    start = "pca" if min(features.shape) >= 2 else "random"
    found: np.ndarray = TSNE(2, perplexity=perplexity, init=start, random_state=seed).fit_transform(features)
    return found


def draw_embeddings(
    networks: Sequence[NetworkFeatures], images: ImageLabels, path: Path, title: str, seed: int
) -> None:
    """Draw a panel for each network to ``path``, a color for each class; images of unseen classes are crosses.

    Args:
        networks: what :func:`usb_negsamp.host.evaluation.network_features.features_of_run` returns.
        images: what they were given.
        path: the PNG file to write.
        title: shown above the panels.
        seed: of t-SNE.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(networks) + 1.6, 5.4), layout="constrained")
    panels = figure.subplots(1, len(networks), squeeze=False)[0]
    seen = images.labels < images.num_seen
    for axes, network in zip(panels, networks, strict=True):
        points = embedding(network.features, seed)
        _draw_classes(axes, points, images)
        right = 100 * float((network.predictions == images.labels)[seen].mean()) if seen.any() else 0.0
        of = f"{int(seen.sum())} test images" + ("" if seen.all() else " of seen classes")
        axes.set_title(f"{network.name}: {right:.1f}% of {of} right", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    handles, labels = panels[0].get_legend_handles_labels()
    if len(labels) <= MOST_NAMED:
        figure.legend(
            handles, labels, loc="outside right upper", frameon=False, fontsize=8, markerscale=2, title="class"
        )
    figure.suptitle(title + ("" if seen.all() else "; crosses: classes without labels"))
    write_picture(figure, path)


def _draw_classes(axes: Any, points: np.ndarray, images: ImageLabels) -> None:
    from matplotlib import colormaps

    classes = np.unique(images.labels)
    few = len(classes) <= 10
    colors = colormaps["tab10" if few else "gist_ncar"]
    for rank, label in enumerate(classes):
        color = colors(rank) if few else colors(rank / len(classes))
        rows = images.labels == label
        unseen = label >= images.num_seen
        shape: dict[str, Any] = {"marker": "x", "s": 12, "linewidths": 0.8} if unseen else {"marker": "o", "s": 6}
        name = images.name(int(label)) + (", unseen" if unseen else "")
        axes.scatter(points[rows, 0], points[rows, 1], color=color, label=name, **shape)
