"""The reduction of DS3L: a mean of losses whose weights are learned.

Guo, Zhang, Jiang, Li, Zhou, "Safe Deep Semi-Supervised Learning for Unseen-Class Unlabeled Data", ICML 2020, equation 3
with the normalization of the released code.
"""

from __future__ import annotations

import torch
from torch import Tensor


def weighted_mean(losses: Tensor, weights: Tensor, total: Tensor | None = None) -> Tensor:
    """Return sum_i w_i l_i / sum_i w_i, a scalar; without a division where all weights are 0.

    Args:
        losses: (N,), floating.
        weights: (N,), floating, of at least 0. They may carry a gradient, which the sum in the denominator takes part
            in.
        total: the sum of all weights, where there are more than these.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> weighted_mean(torch.tensor([1.0, 5.0]), torch.tensor([0.75, 0.25]))
    tensor(2.)
    >>> weighted_mean(torch.tensor([1.0, 5.0]), torch.zeros(2))
    tensor(0.)
    """
    for name, values in (("losses", losses), ("weights", weights)):
        if values.dim() != 1 or values.shape != losses.shape or not values.is_floating_point():
            raise ValueError(
                f"Expected argument `{name}` to be a floating ({len(losses)},) tensor, but got {values.dtype} "
                f"{tuple(values.shape)}"
            )
    total = weights.sum() if total is None else total
    return (weights * losses).sum() / torch.where(total > 0, total, torch.ones_like(total))
