"""Uncertainty-aware self-distillation.

Chen, Zhu, Li, Gong, "Semi-Supervised Learning under Class Distribution Mismatch", AAAI 2020, section "Uncertainty-Aware
Self-Distillation": the target of an image is the mean of all predictions that the training has made of it, and only
images of which that mean is confident are learned from.
"""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.functional._numerics import at_least_float32, check_between, without_autocast


def mean_predictions(sums: Tensor) -> Tensor:
    """Return the mean of the predictions of each image, (N, K); zeros where there is none (ensemble prediction).

    Args:
        sums: (N, K), floating; the sum of an image's predictions, each of which sums to 1 over the classes.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> mean_predictions(torch.tensor([[1.5, 0.5], [0.0, 0.0]]))
    tensor([[0.7500, 0.2500],
            [0.0000, 0.0000]])
    """
    _check_rows("sums", sums)
    return sums / sums.sum(dim=1, keepdim=True).clamp(min=1.0)


def confidence_threshold(confidences: Tensor, start: float) -> Tensor:
    """Return the mean confidence of the validation images that were seen, a scalar; ``start`` where none was.

    Args:
        confidences: (M,), floating; the largest probability of each image's mean prediction, 0 where there is none.
        start: the threshold before any validation image was seen, in [0, 1].

    Raises:
        ValueError: a shape, a dtype or ``start`` differs from the above.

    >>> confidence_threshold(torch.tensor([0.75, 0.25, 0.0]), 0.9), confidence_threshold(torch.zeros(3), 0.5)
    (tensor(0.5000), tensor(0.5000))
    """
    if confidences.dim() != 1 or not confidences.is_floating_point():
        raise ValueError(
            f"Expected argument `confidences` to be a floating (M,) tensor, but got {confidences.dtype} "
            f"{tuple(confidences.shape)}"
        )
    check_between("start", start, 0.0, 1.0)
    seen = (confidences > 0).sum()
    return torch.where(seen > 0, confidences.sum() / seen.clamp(min=1), start)


def soft_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of every row with its target, -sum_k q_k log p_k, (N,).

    Args:
        logits: (N, K), floating. Half precision is computed in float32, also under autocast.
        targets: (N, K), floating; probabilities q. They carry no gradient.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> soft_cross_entropy(torch.zeros(1, 4), torch.tensor([[0.5, 0.5, 0.0, 0.0]]))
    tensor([1.3863])
    """
    _check_rows("logits", logits)
    _check_rows("targets", targets)
    if logits.shape != targets.shape:
        raise ValueError(
            f"Expected argument `targets` to have the shape of the logits, {tuple(logits.shape)}, but got "
            f"{tuple(targets.shape)}"
        )
    with without_autocast(logits):
        return -(at_least_float32(targets.detach()) * at_least_float32(logits).log_softmax(dim=1)).sum(dim=1)


def _check_rows(name: str, rows: Tensor) -> None:
    if rows.dim() != 2 or not rows.is_floating_point():
        raise ValueError(
            f"Expected argument `{name}` to be a floating (N, K) tensor, but got {rows.dtype} {tuple(rows.shape)}"
        )
