"""Safe parameters, of SPL: which weights to keep where the unlabeled data hold unseen classes.

He et al., "Not All Parameters Should be Treated Equally: Deep Safe Semi-Supervised Learning under Class Distribution
Mismatch", AAAI 2022; the numbers of equations are those of that paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.functional._numerics import at_least_float32, check_between


def safe_ratio(mismatch: float, labeled_ratio: float) -> float:
    """Return the share of parameters to keep, p = 1 - delta (1 - tau) (equation 3).

    Args:
        mismatch: delta, the share of unlabeled samples whose class is not among the labels, in [0, 1].
        labeled_ratio: tau = m/n, labeled over unlabeled samples, not negative; counted as 1 above 1.

    Raises:
        ValueError: an argument is out of range.

    >>> round(safe_ratio(mismatch=0.3, labeled_ratio=5_000 / 20_000), 3)  # the 0.775 of Figure 4
    0.775
    """
    check_between("mismatch", mismatch, 0.0, 1.0)
    check_between("labeled_ratio", labeled_ratio, 0.0, float("inf"))
    return 1.0 - mismatch * (1.0 - min(labeled_ratio, 1.0))


def magnitude_mask(weights: Mapping[str, Tensor], ratio: float) -> dict[str, Tensor]:
    """Return the initial mask: true at the largest magnitudes, by one threshold over all tensors (equation 1).

    Equation 1 prints the share of zeros as p; the text, equation 9 and Figure 4 mean the share that is kept.

    Args:
        weights: name to weight, floating, any shapes, all on one device. Compared in float32 or better.
        ratio: p, the share that is kept, in [0, 1]; exactly ``round(p * total)`` entries are. Of equal magnitudes those
            come first that stand first in the mapping.

    Raises:
        ValueError: the ratio is out of range, there is no weight, or one is not finite.

    >>> magnitude_mask({"a": torch.tensor([0.1, -3.0]), "b": torch.tensor([2.0, 0.0])}, ratio=0.5)
    {'a': tensor([False,  True]), 'b': tensor([ True, False])}
    """
    check_between("ratio", ratio, 0.0, 1.0)
    if not weights:
        raise ValueError("Expected argument `weights` to hold at least one tensor, but got none")
    for name, weight in weights.items():
        if not bool(weight.detach().isfinite().all()):
            raise ValueError(f"Expected argument `weights` to be finite, but got NaN or infinity in {name!r}")
    magnitudes = torch.cat([at_least_float32(weight.detach()).abs().flatten() for weight in weights.values()])
    kept = _largest(magnitudes, round(ratio * magnitudes.numel()))
    parts = torch.split(kept, [weight.numel() for weight in weights.values()])
    return {name: part.view(weight.shape) for (name, weight), part in zip(weights.items(), parts, strict=True)}


def layer_ratios(masks: Mapping[str, Tensor]) -> dict[str, float]:
    """Return the share of entries that each mask keeps, p^l, which stays fixed from then on ("Convergence").

    >>> layer_ratios({"a": torch.tensor([True, False, False, False])})
    {'a': 0.25}
    """
    return {name: int(mask.count_nonzero()) / max(mask.numel(), 1) for name, mask in masks.items()}


def rank_scores(weight: Tensor) -> Tensor:
    """Return scores to start the relaxed mask from: the rank of each magnitude in its tensor, from 0 to 1.

    The paper leaves the start open. From ranks, :func:`hard_mask` at the layer's ratio gives back the layer's part of
    :func:`magnitude_mask`, equal magnitudes included, and the entries beside the boundary are close enough to swap.

    Args:
        weight: floating, any shape.

    Returns:
        float32 or float64, of the shape of ``weight``, without gradient. Distinct up to 2**23 entries.

    >>> rank_scores(torch.tensor([0.1, -3.0, 2.0]))
    tensor([0.0000, 1.0000, 0.5000])
    """
    magnitudes = at_least_float32(weight.detach()).abs().flatten()
    order = magnitudes.argsort(descending=True, stable=True)
    last = max(magnitudes.numel() - 1, 1)
    ranks = 1.0 - torch.arange(magnitudes.numel(), dtype=torch.float64, device=weight.device) / last
    return torch.empty_like(magnitudes).scatter_(0, order, ranks.to(magnitudes.dtype)).view(weight.shape)


def hard_mask(scores: Tensor, ratio: float) -> Tensor:
    """Return 1 at the largest scores of a layer, else 0; the gradient goes straight through (equations 8 and 9).

    Args:
        scores: floating, any shape, the relaxed mask of one layer.
        ratio: p^l, in [0, 1]; exactly ``round(p^l * numel)`` entries are 1. Of equal scores the first come first.

    Returns:
        Zeros and ones in the shape and dtype of ``scores``, which receive the mask's gradient unchanged.

    Raises:
        ValueError: the ratio is out of range.

    >>> hard_mask(torch.tensor([0.2, 0.9, 0.4, 0.1]), ratio=0.5)
    tensor([0., 1., 1., 0.])
    """
    check_between("ratio", ratio, 0.0, 1.0)
    mask: Tensor = _HardMask.apply(scores, round(ratio * scores.numel()))  # type: ignore[no-untyped-call]
    return mask


def soft_mask(scores: Tensor) -> Tensor:
    """Return relu(scores), with a gradient by which scores at or below 0 can return (equation 10).

    The gradient of relu is 0 there, so a weight once dropped would stay dropped, while the paper keeps optimizing it.
    Here it passes where the score is positive, or where a descent step would raise the score (a negative gradient). A
    step that would push a score further below 0 is not passed.

    Args:
        scores: floating, any shape.

    >>> scores = torch.tensor([0.5, 0.0, 0.0], requires_grad=True)
    >>> (soft_mask(scores) * torch.tensor([1.0, 1.0, -1.0])).sum().backward()
    >>> scores.grad
    tensor([ 1.,  0., -1.])
    """
    mask: Tensor = _SoftMask.apply(scores)  # type: ignore[no-untyped-call]
    return mask


class _HardMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, count: int) -> Tensor:
        return _largest(scores.flatten(), count).view(scores.shape).to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _SoftMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        ctx.save_for_backward(scores)
        return scores.relu()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (scores,) = ctx.saved_tensors
        return grad.masked_fill((scores <= 0) & (grad > 0), 0.0)


def _largest(values: Tensor, count: int) -> Tensor:
    """Return the mask of the ``count`` largest of the (n,) ``values``, of equal ones the first."""
    if count == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    # topk chooses freely between equal values, and quantile takes no more than 2**24 of them.
    threshold = values.topk(count, sorted=False).values.amin()
    above, equal = values > threshold, values == threshold
    return above | (equal & (equal.cumsum(0) <= count - above.sum()))
