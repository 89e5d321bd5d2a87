"""How much likelier an unlabeled image is among labeled images than among unlabeled ones: a weight by densities."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from usb_negsamp.functional._numerics import without_autocast
from usb_negsamp.functional.gate import directions

_CHUNK = 4096


def density_ratio_gate(
    features: Tensor,
    labeled_features: Tensor,
    unlabeled_features: Tensor,
    scale: float = 2.0,
    temperature: float = 0.05,
    places: Tensor | None = None,
) -> Tensor:
    """Return the weights (N,), in [0, 1], of images by how their density among labeled images compares with the pool's.

    With c the cosine, an image x has the log-ratio of two kernel densities on the sphere,

        r(x) = log mean_i exp(c(x, l_i) / temperature) - log mean_j exp(c(x, u_j) / temperature)

    over labeled images l_i and some unlabeled ones u_j; of an image that is one of these itself, it is left out. The
    weight is min(1, scale * p), where p is the share of labeled images whose log-ratio is at most r(x). Where all
    unlabeled images are of labeled classes the two densities are one, and p is 1/2 on average; images of other classes
    are where unlabeled ones are dense and labeled ones are not. Carries no gradient.

    Where a feature is not a number, the image's weight is 0.

    Args:
        features: (N, ...), floating; trailing dimensions are flattened. Half precision is computed in float32.
        labeled_features: (M, ...) of the labeled images, by the same network, flattened to the same width.
        unlabeled_features: (P, ...) of some unlabeled images, likewise.
        scale: what a share is multiplied by; above 0.
        temperature: width of the kernels; above 0.
        places: (N,), int64: which of the P unlabeled images an image is; -1, none. None: no image is any of them.

    Raises:
        ValueError: fewer than two labeled or unlabeled images, widths that differ, or a scale or a temperature that is
            not above 0.

    >>> labeled = torch.tensor([[1.0, 0.0], [1.0, 0.2], [1.0, 0.4]])
    >>> pool = torch.tensor([[1.0, 0.2], [0.0, 1.0], [0.1, 1.0]])
    >>> density_ratio_gate(torch.tensor([[1.0, 0.1], [0.0, 2.0]]), labeled, pool)
    tensor([1., 0.])
    """
    labeled, unlabeled = directions(labeled_features), directions(unlabeled_features)
    ratios = labeled_log_ratios(labeled, unlabeled, temperature)
    return ratio_weights(features, labeled, unlabeled, ratios, scale, temperature, places)


def labeled_log_ratios(labeled: Tensor, unlabeled: Tensor, temperature: float) -> Tensor:
    """Return the log-ratio (M,) of each labeled image, which is itself left out.

    Args:
        labeled: (M, D), of :func:`usb_negsamp.functional.gate.directions`.
        unlabeled: (P, D), likewise.
        temperature: above 0.

    Raises:
        ValueError: as of :func:`density_ratio_gate`.
    """
    if not temperature > 0.0:
        raise ValueError(f"Expected argument `temperature` to be above 0, but got {temperature}")
    for name, bank in (("labeled_features", labeled), ("unlabeled_features", unlabeled)):
        if bank.shape[0] < 2:
            raise ValueError(f"Expected argument `{name}` to hold at least 2 images, but got {bank.shape[0]}")
    _check_width("unlabeled_features", unlabeled, labeled)
    themselves = torch.arange(labeled.shape[0], device=labeled.device)
    return _log_density(labeled, labeled, temperature, themselves) - _log_density(labeled, unlabeled, temperature)


def ratio_weights(
    features: Tensor,
    labeled: Tensor,
    unlabeled: Tensor,
    labeled_ratios: Tensor,
    scale: float,
    temperature: float,
    places: Tensor | None = None,
) -> Tensor:
    """Return what :func:`density_ratio_gate` does, from what it makes of labeled and unlabeled images.

    Args:
        features: (N, ...), floating.
        labeled: (M, D), of :func:`usb_negsamp.functional.gate.directions`.
        unlabeled: (P, D), likewise.
        labeled_ratios: (M,), of :func:`labeled_log_ratios`.
        scale: above 0.
        temperature: above 0.
        places: (N,), as of :func:`density_ratio_gate`.

    Raises:
        ValueError: widths that differ, or a scale that is not above 0.
    """
    if not scale > 0.0:
        raise ValueError(f"Expected argument `scale` to be above 0, but got {scale}")
    rows = directions(features)
    _check_width("features", rows, labeled)
    ratios = _log_density(rows, labeled, temperature) - _log_density(rows, unlabeled, temperature, places)
    shares = [
        (labeled_ratios.unsqueeze(0) <= part.unsqueeze(1)).to(rows.dtype).mean(dim=1)
        for part in torch.split(ratios, _CHUNK)
    ]
    return (scale * torch.cat(shares)).clamp(max=1.0)


def _log_density(rows: Tensor, bank: Tensor, temperature: float, places: Tensor | None = None) -> Tensor:
    """The logarithm (N,) of the mean of the kernels between rows (N, D) and a bank (B, D), each without its place."""
    parts = []
    with without_autocast(rows):
        for start in range(0, rows.shape[0], _CHUNK):
            kernels = rows[start : start + _CHUNK] @ bank.T / temperature
            number: Tensor | float = math.log(bank.shape[0])
            if places is not None:
                own = places[start : start + _CHUNK].unsqueeze(1)
                kernels = kernels.masked_fill(own == torch.arange(bank.shape[0], device=own.device), -torch.inf)
                number = torch.log(bank.shape[0] - (own >= 0).squeeze(1).to(kernels.dtype))
            parts.append(torch.logsumexp(kernels, dim=1) - number)
    return torch.cat(parts)


def _check_width(name: str, rows: Tensor, labeled: Tensor) -> None:
    if rows.shape[1] != labeled.shape[1]:
        raise ValueError(
            f"Expected argument `{name}` to have the width {labeled.shape[1]} of the labeled features, "
            f"but got {rows.shape[1]}"
        )
