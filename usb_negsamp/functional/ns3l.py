"""The loss of NS3L: negative sampling in semi-supervised learning (Chen, Shah, Kyrillidis, ICML 2020)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.functional._numerics import (
    at_least_float32,
    check_loss_arguments,
    check_weights,
    reduce_rows,
    without_autocast,
)

_LOW = 1e30


def ns3l_loss(logits: Tensor, negatives: Tensor, reduction: str = "mean", weights: Tensor | None = None) -> Tensor:
    r"""Return the NS3L loss :math:`-\log(1 - \sum_{k \in Neg_b} p_{bk})` of every row (Algorithm 1, section 4.3).

    With :math:`S` the probability mass on the negative classes, its gradient in logit k is :math:`p_k` for a negative
    class and :math:`-p_k S / (1 - S)` for another one, so at most 1 in size. It is a difference of log-sum-exps and
    never forms :math:`1 - S`: loss and gradient stay finite and right however sure the model is.

    A row without negatives gives exactly 0 and no gradient. So does a row whose classes are all negative: it says
    nothing about which class is right, and its loss would be infinite.

    Args:
        logits: (N, K), floating. Half precision is computed in float32, also under autocast.
        negatives: (N, K), bool, true where the sample is said not to belong to the class. Carries no gradient.
        reduction: ``"mean"`` over all N rows, those without negatives included, ``"sum"``, or ``"none"`` for (N,).
        weights: (N,), floating, what each row's loss counts; none: 1. A mean is still one over all N rows. Carries no
            gradient.

    Raises:
        ValueError: shapes or dtypes differ from the above, or the reduction is unknown.

    >>> import torch
    >>> logits = torch.tensor([0.5, 0.3, 0.2]).log().unsqueeze(0)
    >>> round(ns3l_loss(logits, torch.tensor([[False, True, True]])).item(), 4)  # -log(1 - 0.3 - 0.2)
    0.6931
    """
    check_loss_arguments(logits, negatives, reduction)
    if weights is not None:
        check_weights(weights, logits.shape[0])
    with without_autocast(logits):
        z = at_least_float32(logits)
        # A row with nothing left is one with nothing hidden: a difference of equal terms, 0 with its gradient.
        hidden = negatives > negatives.all(dim=1, keepdim=True)
        losses = hidden_mass_loss(z, F.log_softmax(z.detach(), dim=1), hidden)
        return reduce_rows(losses if weights is None else losses * weights.detach(), reduction)


def hidden_mass_loss(z: Tensor, log_probs: Tensor, hidden: Tensor) -> Tensor:
    """Return -log(1 - sum of the hidden classes' probabilities) of every row, (N,): logsumexp(all) - logsumexp(kept).

    ``log_probs`` is the log-softmax of ``z``; no row of the bool ``hidden`` may be all true. Rows without hidden
    classes give exactly 0 and no gradient.
    """
    loss: Tensor = _HiddenMass.apply(z, log_probs.detach(), hidden)  # type: ignore[no-untyped-call]
    return loss


class _HiddenMass(torch.autograd.Function):
    """The gradient by its formula, p - q where q are the probabilities among the kept classes: five kernels.

    It is that of autograd to a rounding, of which there are fewer here.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, log_probs: Tensor, hidden: Tensor) -> Tensor:
        # For any kept class the two log-softmaxes differ by the loss. Their kernels are fused, which logsumexp's
        # are not, and nothing rounds against large logits; the likeliest kept class keeps the first term near 0.
        kept, likeliest = F.log_softmax(_kept(z, hidden), dim=1).max(dim=1, keepdim=True)
        return (kept - log_probs.gather(1, likeliest)).squeeze(1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        z, _, hidden = inputs
        ctx.save_for_backward(z, hidden)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        z, hidden = ctx.saved_tensors
        difference = torch.softmax(z, dim=1) - torch.softmax(_kept(z, hidden), dim=1)
        return difference * gradients[0].unsqueeze(1), None, None


def _kept(z: Tensor, hidden: Tensor) -> Tensor:
    """``z``, and so low where it is hidden that its exponential beside any other is 0; filling would be two kernels."""
    return torch.add(z, hidden, alpha=-_LOW)
