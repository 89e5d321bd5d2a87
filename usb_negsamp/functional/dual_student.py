"""Which of two networks teaches the other on a sample, of Dual Student.

Ke et al., "Dual Student: Breaking the Limits of the Teacher in Semi-Supervised Learning", ICCV 2019, sections 4.1 and
4.2. Each network sees two views of an image: the one that it learns on, and another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.functional._numerics import at_least_float32, check_between, without_autocast


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over the classes of the squared difference of the probabilities of every row, (N,).

    Args:
        logits: (N, K), floating. Half precision is computed in float32, also under autocast.
        targets: (N, K), floating logits. They carry no gradient.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> squared_error(torch.tensor([[0.0, 0.0]]), torch.tensor([[100.0, 0.0]]))
    tensor([0.2500])
    """
    _check_pair(logits, targets)
    with without_autocast(logits):
        difference = _probs(logits) - _probs(targets.detach())
        return difference.square().mean(dim=1)


def stable_samples(logits: Tensor, other: Tensor, threshold: float) -> Tensor:
    """Return the samples (N,), bool, on which a network is stable (definition 2).

    Its predictions on both views are the same class, and at least one of them is more probable than ``threshold``.

    Args:
        logits: (N, K), floating, of one view.
        other: (N, K), floating, of the other view.
        threshold: xi, in [0, 1].

    Raises:
        ValueError: an argument differs from the above.

    >>> sure, unsure = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.1, 0.0]])
    >>> [stable_samples(a, b, 0.8).item() for a, b in ((sure, unsure), (unsure, unsure), (sure, -sure))]
    [True, False, False]
    """
    _check_pair(logits, other)
    check_between("threshold", threshold, 0.0, 1.0)
    with without_autocast(logits), torch.no_grad():
        (confidence, label), (other_confidence, other_label) = _probs(logits).max(1), _probs(other).max(1)
        return (label == other_label) & ((confidence > threshold) | (other_confidence > threshold))


def learning_samples(stable: Tensor, teacher_stable: Tensor, error: Tensor, teacher_error: Tensor) -> Tensor:
    """Return the samples (N,), bool, that a network learns from the other's prediction.

    Those on which the other is stable, and this network is not, or is no more so: its own predictions on the two views
    differ at least as much as the other's. Where they differ equally, each learns from the other, as in the released
    code.

    Args:
        stable: (N,), bool, whether this network is stable.
        teacher_stable: (N,), bool, whether the other one is.
        error: (N,), floating, how far this network's predictions on the two views are apart.
        teacher_error: (N,), floating, the same of the other network.

    Raises:
        ValueError: the shapes differ, or a dtype differs from the above.

    >>> yes, no = torch.tensor([True]), torch.tensor([False])
    >>> small, large = torch.tensor([0.1]), torch.tensor([0.2])
    >>> [learning_samples(yes, yes, *errors).item() for errors in ((large, small), (small, large), (small, small))]
    [True, False, True]
    >>> [learning_samples(no, yes, small, large).item(), learning_samples(no, no, large, small).item()]
    [True, False]
    """
    for name, mask in (("stable", stable), ("teacher_stable", teacher_stable)):
        if mask.dtype != torch.bool or mask.shape != error.shape:
            raise ValueError(
                f"Expected argument `{name}` to be a bool {tuple(error.shape)} tensor, "
                f"but got {mask.dtype} {tuple(mask.shape)}"
            )
    if error.shape != teacher_error.shape:
        raise ValueError(
            f"Expected argument `teacher_error` to have shape {tuple(error.shape)}, "
            f"but got {tuple(teacher_error.shape)}"
        )
    return teacher_stable & (~stable | (error.detach() >= teacher_error.detach()))


def _probs(logits: Tensor) -> Tensor:
    return at_least_float32(logits).softmax(dim=1)


def _check_pair(logits: Tensor, other: Tensor) -> None:
    if logits.dim() != 2 or logits.shape != other.shape:
        raise ValueError(
            f"Expected two (N, K) tensors of logits of one shape, but got {tuple(logits.shape)} and "
            f"{tuple(other.shape)}"
        )
    if not (logits.is_floating_point() and other.is_floating_point()):
        raise ValueError(f"Expected floating logits, but got {logits.dtype} and {other.dtype}")
