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
    check_num_negatives,
    exponential_keys,
    one_class,
    reduce_rows,
    top_classes,
    uniform_keys,
    without_autocast,
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
    r"""The error perception mechanism: which classes a network confuses with which (equations 22 and 23).

    Equation 22 sums, over all labeled samples of class k, the confidences with which they are taken for another class
    i. A step sees a few of them, so row k holds the mean confidence of an image of class k in that error, averaged over
    the steps that had such images by an exponential moving average with momentum :math:`\mu`, and the sum over all
    :math:`n_k` images is estimated by

    .. math:: Pr_k = n_k \, \frac{\bar{m}_k}{1 - \mu^{t_k}}

    with :math:`t_k` the number of those steps, which takes away the average's start at 0. Only rows of classes in the
    step are updated, so a class that is rare in the batches is not forgotten; a row that is not finite is left out. A
    network that makes no more errors ends at equal probabilities.

    >>> perception = ErrorPerception(num_classes=3, momentum=0.9, class_counts=torch.tensor([2, 2, 2]))
    >>> perception.update(torch.tensor([[0.3, 0.7, 0.0]]).log(), torch.tensor([0]))
    >>> perception.weights()[0]  # softmax of 2 * 0.7 and 0
    tensor([0.0000, 0.8022, 0.1978])
    """

    def __init__(self, num_classes: int, momentum: float = 0.99, class_counts: Tensor | None = None) -> None:
        """Start from no errors, i.e. equal probabilities.

        Args:
            num_classes: K, at least 2.
            momentum: share of the old average that stays at each step, in [0, 1).
            class_counts: (K,), the labeled images of each class; none: the images seen so far are counted, an image
                that comes again again.

        Raises:
            ValueError: an argument is out of range, or ``class_counts`` is not (K,) or negative.
        """
        if num_classes < 2:
            raise ValueError(f"Expected argument `num_classes` to be at least 2, but got {num_classes}")
        check_between("momentum", momentum, 0.0, 1.0)
        if momentum == 1.0:
            raise ValueError("Expected argument `momentum` to be below 1, but got 1.0: nothing would be learned")
        if class_counts is not None and (class_counts.shape != (num_classes,) or bool((class_counts < 0).any())):
            raise ValueError(
                f"Expected argument `class_counts` to be {num_classes} numbers of images, but got {class_counts}"
            )
        self.num_classes = num_classes
        self.momentum = momentum
        self.class_counts = None if class_counts is None else class_counts.float()
        self.mass = torch.zeros(num_classes, num_classes)
        self.updates = torch.zeros(num_classes)
        self.seen = torch.zeros(num_classes)

    @torch.no_grad()
    def update(self, logits: Tensor, labels: Tensor, reduce: Callable[[Tensor], Tensor] | None = None) -> None:
        """Take in one step's labeled samples. The state moves to the device of ``logits``.

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
            errors, counts = sums[:, :-1], sums[:, -1]
            # A step that overflowed in half precision, which the loss scaler skips, says nothing either.
            present = (counts > 0) & sums.isfinite().all(dim=1)
            mean_errors = errors / counts.clamp_min(1.0).unsqueeze(1)
            mass, updates, seen = (state.to(sums.device) for state in (self.mass, self.updates, self.seen))
            self.mass = torch.where(
                present.unsqueeze(1), self.momentum * mass + (1.0 - self.momentum) * mean_errors, mass
            )
            self.updates = updates + present
            self.seen = torch.where(present, seen + counts, seen)

    @torch.no_grad()
    def error_sums(self) -> Tensor:
        """Return the (K, K) matrix of equation 22, estimated; row k is 0 while no image of class k has been seen."""
        counts = self.seen if self.class_counts is None else self.class_counts.to(self.mass.device)
        # In double precision the difference is above 0 for any momentum below 1.
        started = 1.0 - self.momentum ** self.updates.double()
        scale = torch.where(self.updates > 0, counts / started, 0.0).float()
        return scale.unsqueeze(1) * self.mass

    def weights(self) -> Tensor:
        """Return the (K, K) probabilities of drawing class i as a negative of class k (equation 23).

        The softmax of each row, without its own class: the diagonal is 0 and the rows sum to 1.
        """
        own = torch.eye(self.num_classes, dtype=torch.bool, device=self.mass.device)
        return self.error_sums().masked_fill(own, float("-inf")).softmax(dim=1)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of what was learned. Momentum and class counts are configuration, not state."""
        return {name: getattr(self, name).clone() for name in _PERCEPTION_STATE}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a :meth:`state_dict`, on the device where this one's state is.

        Raises:
            ValueError: it is of another number of classes, or of a version that kept sums without their count.
        """
        for name in _PERCEPTION_STATE:
            own = getattr(self, name)
            if name not in state:
                raise ValueError(
                    f"Expected the entries {', '.join(_PERCEPTION_STATE)}, but got {', '.join(sorted(state))} alone: "
                    "an error perception of an earlier version, which left the negatives equally probable"
                )
            if state[name].shape != own.shape:
                raise ValueError(
                    f"Expected `{name}` to have shape {tuple(own.shape)}, but got {tuple(state[name].shape)}"
                )
        for name in _PERCEPTION_STATE:
            own = getattr(self, name)
            setattr(self, name, state[name].detach().to(own).clone())


_PERCEPTION_STATE = ("mass", "updates", "seen")
