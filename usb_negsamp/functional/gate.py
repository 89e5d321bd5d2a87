"""How much an unlabeled image looks like the labeled ones: a weight by nearest neighbors."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.functional._numerics import at_least_float32, without_autocast

_CHUNK = 4096


def neighbor_gate(features: Tensor, labeled_features: Tensor, scale: float = 2.0) -> Tensor:
    """Return the weights (N,), in [0, 1], of images by how near they are to labeled ones: min(1, scale * p).

    An image's nearest labeled cosine is u, that of labeled image i among the *other* labeled ones is l_i, and p is the
    share of labeled images with l_i <= u. An image of the labeled classes is as near to them as they are to each other,
    so that p is 1/2 on average; one of another kind is further away than most of them. Carries no gradient.

    Two labeled images are the fewest that say how near they are to each other. Where a feature is not a number, the
    image's weight is 0.

    Args:
        features: (N, ...), floating; trailing dimensions are flattened. Half precision is computed in float32.
        labeled_features: (M, ...) of the labeled images, by the same network, flattened to the same width.
        scale: what a share is multiplied by; above 0.

    Raises:
        ValueError: fewer than two labeled images, widths that differ, or a scale that is not above 0.

    >>> labeled = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.5, 1.0]])
    >>> neighbor_gate(torch.tensor([[1.0, 0.05], [1.0, 0.5], [-1.0, -1.0]]), labeled)
    tensor([1., 1., 0.])
    """
    labeled = directions(labeled_features)
    return gate_weights(features, labeled, nearest_other_cosines(labeled), scale)


def directions(features: Tensor) -> Tensor:
    """Return ``features`` (N, ...) as rows (N, D) of length 1, without a gradient; a row of zeros stays one."""
    return F.normalize(at_least_float32(features.detach().flatten(1)), dim=1)


def nearest_other_cosines(labeled: Tensor) -> Tensor:
    """Return the largest cosine (M,) of each labeled image with any other.

    Args:
        labeled: (M, D), of :func:`directions`.

    Raises:
        ValueError: there are fewer than two.
    """
    if labeled.shape[0] < 2:
        raise ValueError(
            "Expected argument `labeled_features` to hold at least 2 images, which are near to each other or not, "
            f"but got {labeled.shape[0]}"
        )
    parts = []
    with without_autocast(labeled):
        for start in range(0, labeled.shape[0], _CHUNK):
            cosines = labeled[start : start + _CHUNK] @ labeled.T
            # Its cosine with itself.
            cosines.diagonal(start).fill_(-torch.inf)
            parts.append(cosines.amax(dim=1))
    return torch.cat(parts)


def gate_weights(features: Tensor, labeled: Tensor, nearest: Tensor, scale: float) -> Tensor:
    """Return what :func:`neighbor_gate` does, from what it makes of the labeled images.

    Args:
        features: (N, ...), floating.
        labeled: (M, D), of :func:`directions`.
        nearest: (M,), of :func:`nearest_other_cosines`.
        scale: above 0.

    Raises:
        ValueError: widths that differ, or a scale that is not above 0.
    """
    if not scale > 0.0:
        raise ValueError(f"Expected argument `scale` to be above 0, but got {scale}")
    rows = directions(features)
    if rows.shape[1] != labeled.shape[1]:
        raise ValueError(
            f"Expected argument `features` to have the width {labeled.shape[1]} of the labeled features, "
            f"but got {rows.shape[1]}"
        )
    with without_autocast(rows):
        parts = [(part @ labeled.T).amax(dim=1) for part in torch.split(rows, _CHUNK)]
        near = nearest.unsqueeze(0) <= torch.cat(parts).unsqueeze(1)
        return (scale * near.to(rows.dtype).mean(dim=1)).clamp(max=1.0)
