"""Pseudo-negative labels, their loss and the error perception mechanism, of DNLL.

Xu et al., "Semi-Supervised Learning with Pseudo-Negative Labels for Image Classification", section 3; the numbers of
equations are those of that paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.functional._numerics import (
    at_least_float32,
    check_between,
    check_labels,
    check_loss_arguments,
    reduce_rows,
    without_autocast,
)
from usb_negsamp.functional._sampling import (
    check_num_negatives,
    exponential_keys,
    one_class,
    top_classes,
    uniform_keys,
)
from usb_negsamp.functional.ns3l import hidden_mass_loss


def pseudo_negative_labels(
    pseudo_labels: Tensor,
    num_classes: int,
    num_negatives: int,
    weights: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return an (N, K) bool mask: m distinct classes a row, never its pseudo label (equations 6 to 8, 12, 13).

    Args:
        pseudo_labels: (N,), integer, in 0..K-1.
        num_classes: K.
        num_negatives: m, in 1..K-1.
        weights: none for equal probability. Else (K, K), floating, not negative, e.g. from :class:`ErrorPerception`:
            the m classes are drawn one after the other without replacement, with probability proportional to the row of
            the pseudo label. The diagonal does not matter, nor does the scale of a row. Classes of weight 0 (below
            1e-30 of the largest in the row) come, with equal probability, only where the others do not suffice.
        generator: source of randomness.

    Raises:
        ValueError: ``num_negatives`` is not in 1..K-1, or a shape or dtype differs from the above.

    >>> pseudo_negative_labels(torch.tensor([0, 1]), num_classes=2, num_negatives=1)
    tensor([[False,  True],
            [ True, False]])
    """
    check_labels("pseudo_labels", pseudo_labels)
    check_num_negatives(num_negatives, num_classes - 1)
    if weights is None:
        keys = uniform_keys(pseudo_labels.shape[0], num_classes, generator, pseudo_labels.device)
    else:
        if weights.shape != (num_classes, num_classes) or not weights.is_floating_point():
            raise ValueError(
                f"Expected argument `weights` to be a floating ({num_classes}, {num_classes}) tensor, "
                f"but got {weights.dtype} {tuple(weights.shape)}"
            )
        w = at_least_float32(weights.detach().to(pseudo_labels.device))
        w = (w / w.amax(dim=1, keepdim=True).clamp_min(1e-30)).clamp_min(1e-30)[pseudo_labels.long()]
        # A race of exponential clocks: the first m to ring, E_k / w_k, are a sequential draw without replacement.
        # Inverted, so that the largest come first and NaN weights cannot push the pseudo label in.
        keys = w / exponential_keys(w, generator)
    return top_classes(keys.masked_fill(one_class(pseudo_labels, num_classes), -1.0), num_negatives)


def pseudo_negative_loss(
    logits: Tensor, negatives: Tensor, reduction: str = "mean", per_sample: str = "mean"
) -> Tensor:
    r"""Return :math:`-\sum_{k \in Neg_b} \log(1 - p_{bk})` of every row (equation 9).

    The gradient of one term in its own logit is :math:`p_k`, in logit j :math:`-p_k p_j / (1 - p_k)`. Loss and
    gradient stay finite and right however sure the model is, in O(N K) memory. Rows without negatives give 0.

    Args:
        logits: (N, K), floating, K at least 2. Half precision is computed in float32, also under autocast.
        negatives: (N, K), bool. Carries no gradient.
        reduction: ``"mean"`` over all N rows, those without negatives included, ``"sum"``, or ``"none"`` for (N,).
        per_sample: ``"mean"`` divides a row by its number of negatives, as the authors' code does; ``"sum"`` is
            equation 9 to the letter.

    Raises:
        ValueError: shapes or dtypes differ from the above, or ``reduction`` or ``per_sample`` is unknown.

    >>> logits = torch.tensor([0.5, 0.3, 0.2]).log().unsqueeze(0)
    >>> round(pseudo_negative_loss(logits, torch.tensor([[False, True, False]])).item(), 4)  # -log(1 - 0.3)
    0.3567
    """
    check_loss_arguments(logits, negatives, reduction)
    if logits.shape[1] < 2:
        raise ValueError(f"Expected argument `logits` to have at least 2 classes, but got {logits.shape[1]}")
    if per_sample not in ("mean", "sum"):
        raise ValueError(f"Expected argument `per_sample` to be one of mean, sum, but got {per_sample!r}")
    with without_autocast(logits):
        z = at_least_float32(logits)
        log_probs = F.log_softmax(z, dim=1)
        # Only the top class can have p above 1/2, where 1 - p cancels: where it is a negative, it alone gets the
        # difference of log-sum-exps. For the rest log1p is exact, so that no (N, K, K) tensor is needed.
        top = log_probs.detach().argmax(dim=1, keepdim=True)
        hidden = torch.zeros_like(negatives).scatter_(1, top, negatives.gather(1, top))
        rest = log_probs.masked_fill(negatives == hidden, float("-inf"))
        losses = hidden_mass_loss(z, log_probs, hidden) - torch.log1p(-rest.exp()).sum(dim=1)
        if per_sample == "mean":
            losses = losses / negatives.sum(dim=1).clamp_min(1)
        return reduce_rows(losses, reduction)


class ErrorPerception:
    """The error perception mechanism: which classes a network confuses with which (equations 22 and 23).

    It keeps a (K, K) matrix: in row k the confidences with which labeled samples of class k were taken for another
    class i, summed over a step and averaged over the steps by an exponential moving average from 0. Only rows of
    classes in the step are averaged, so a class that is rare in the batches is not forgotten; a row that is not finite
    is left out. A network that makes no more errors ends at equal probabilities.

    >>> perception = ErrorPerception(num_classes=3, momentum=0.0)
    >>> perception.update(torch.tensor([[0.3, 0.7, 0.0]]).log(), torch.tensor([0]))
    >>> perception.weights()[0]
    tensor([0.0000, 0.6682, 0.3318])
    """

    def __init__(self, num_classes: int, momentum: float = 0.99) -> None:
        """Start from no errors, i.e. equal probabilities.

        Args:
            num_classes: K, at least 2.
            momentum: share of the old matrix that stays at each step, in [0, 1].

        Raises:
            ValueError: an argument is out of range.
        """
        if num_classes < 2:
            raise ValueError(f"Expected argument `num_classes` to be at least 2, but got {num_classes}")
        check_between("momentum", momentum, 0.0, 1.0)
        self.num_classes = num_classes
        self.momentum = momentum
        self.mass = torch.zeros(num_classes, num_classes)

    @torch.no_grad()
    def update(self, logits: Tensor, labels: Tensor, reduce: Callable[[Tensor], Tensor] | None = None) -> None:
        """Take in one step's labeled samples. The matrix moves to the device of ``logits``.

        Args:
            logits: (N, K), floating.
            labels: (N,), integer, in 0..K-1.
            reduce: called once with this process' (K, K + 1) float32 sums, of which the last column counts the samples
                of each class; returns them summed over all processes.

        Raises:
            ValueError: a shape or dtype differs from the above.
        """
        check_labels("labels", labels)
        if logits.shape != (labels.shape[0], self.num_classes):
            raise ValueError(
                f"Expected argument `logits` to have shape ({labels.shape[0]}, {self.num_classes}), "
                f"but got {tuple(logits.shape)}"
            )
        with without_autocast(logits):
            confidence, predicted = logits.float().softmax(dim=1).max(dim=1)
            width = self.num_classes + 1
            row = labels.long() * width
            sums = confidence.new_zeros(self.num_classes * width)
            sums.index_add_(0, row + predicted, confidence * (predicted != labels))
            sums.index_add_(0, row + self.num_classes, torch.ones_like(confidence))
            sums = sums.view(self.num_classes, width)
            if reduce is not None:
                sums = reduce(sums)
            # A step that overflowed in half precision, which the loss scaler skips, says nothing either.
            present = (sums[:, -1:] > 0) & sums.isfinite().all(dim=1, keepdim=True)
            mass = self.mass.to(sums.device)
            self.mass = torch.where(present, self.momentum * mass + (1.0 - self.momentum) * sums[:, :-1], mass)

    def weights(self) -> Tensor:
        """Return the (K, K) probabilities of drawing class i as a negative of class k.

        The softmax of each row, without its own class: the diagonal is 0 and the rows sum to 1.
        """
        own = torch.eye(self.num_classes, dtype=torch.bool, device=self.mass.device)
        return self.mass.masked_fill(own, float("-inf")).softmax(dim=1)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the matrix. The momentum is configuration, not state."""
        return {"mass": self.mass.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the matrix of a :meth:`state_dict`, on the device where this one's is.

        Raises:
            ValueError: the matrix is of another number of classes.
        """
        mass = state["mass"]
        if mass.shape != self.mass.shape:
            raise ValueError(f"Expected `mass` to have shape {tuple(self.mass.shape)}, but got {tuple(mass.shape)}")
        self.mass = mass.detach().to(self.mass).clone()
