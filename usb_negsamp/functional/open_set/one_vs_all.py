"""One-vs-all classifiers, which say for each class whether an image is of it, of OpenMatch and IOMatch.

Saito, Kim, Saenko, "OpenMatch: Open-set Consistency Regularization for Semi-supervised Learning with Outliers", NeurIPS
2021; Li, Qi, Shi, Gao, "IOMatch: Simplifying Open-Set Semi-Supervised Learning with Joint Inliers and Outliers
Utilization", ICCV 2023.

The logits (N, 2K) of such a classifier are K pairs (unknown, known), one after the other: column 2k says that an image
is not of class k, column 2k + 1 that it is. A softmax over each pair gives the probabilities.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from usb_negsamp.functional._numerics import at_least_float32, check_labels, reduce_rows, without_autocast


def known_probs(logits: Tensor) -> Tensor:
    """Return the probability of *known* of each pair, (N, K).

    Args:
        logits: (N, 2K), floating. Half precision is computed in float32, also under autocast.

    Raises:
        ValueError: ``logits`` is no such tensor.

    >>> known_probs(torch.tensor([[0.0, 0.0, 100.0, 0.0]]))
    tensor([[0.5000, 0.0000]])
    """
    with without_autocast(logits):
        return _differences(logits).sigmoid()


def one_vs_all_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of labeled images: -log p_known(y) + max over k != y of -log p_unknown(k), mean over the batch.

    Of the other classes only the one counts that is taken for the image's most surely. With one class there is none.

    Args:
        logits: (N, 2K), floating. Half precision is computed in float32, also under autocast.
        labels: (N,), int64, in 0..K-1.

    Returns:
        A scalar; 0 without images.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> one_vs_all_loss(torch.tensor([[0.0, 0.0, 0.0, 0.0]]), torch.tensor([1]))  # 2 log 2
    tensor(1.3863)
    >>> one_vs_all_loss(torch.tensor([[500.0, 0.0, 0.0, 500.0]]), torch.tensor([1]))
    tensor(0.)
    """
    check_labels("labels", labels)
    if len(labels) != len(logits):
        raise ValueError(f"Expected argument `labels` to have {len(logits)} entries, but got {len(labels)}")
    with without_autocast(logits):
        differences = _differences(logits)
        of_class = labels.unsqueeze(1) == torch.arange(differences.shape[1], device=labels.device)
        known = -logsigmoid(differences)
        # No loss is below 0, so that 0 is never the largest but where there is no other class.
        unknown = (-logsigmoid(-differences)).masked_fill(of_class, 0.0)
        return reduce_rows((known * of_class).sum(1) + unknown.amax(1), "mean")


def open_entropy(logits: Tensor) -> Tensor:
    """Return the entropy of a pair, mean over pairs and images.

    Args:
        logits: (N, 2K), floating. Half precision is computed in float32, also under autocast.

    Returns:
        A scalar; 0 without images.

    Raises:
        ValueError: ``logits`` is no such tensor.

    >>> open_entropy(torch.tensor([[0.0, 0.0], [100.0, 0.0]]))  # (log 2 + 0) / 2
    tensor(0.3466)
    """
    with without_autocast(logits):
        differences = _differences(logits)
        known = differences.sigmoid() * logsigmoid(differences)
        unknown = (-differences).sigmoid() * logsigmoid(-differences)
        return reduce_rows(-(known + unknown).mean(1), "mean")


def open_consistency(logits: Tensor, other: Tensor) -> Tensor:
    """Return the squared difference of all 2K probabilities on two views, summed, mean over the images.

    OpenMatch's soft open-set consistency. The gradient goes to both views.

    Args:
        logits: (N, 2K), floating, of one view. Half precision is computed in float32, also under autocast.
        other: (N, 2K), floating, of the other.

    Returns:
        A scalar; 0 without images.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> open_consistency(torch.tensor([[0.0, 0.0]]), torch.tensor([[100.0, 0.0]]))
    tensor(0.5000)
    """
    if logits.shape != other.shape:
        raise ValueError(f"Expected argument `other` to have shape {tuple(logits.shape)}, but got {tuple(other.shape)}")
    with without_autocast(logits):
        squares = (_differences(logits).sigmoid() - _differences(other).sigmoid()).square()
        # Both entries of a pair differ by the same amount.
        return reduce_rows(2 * squares.sum(1), "mean")


def open_targets(probs: Tensor, known_probs: Tensor) -> Tensor:
    """Return the probabilities of K + 1 classes, the last one *unseen* (IOMatch).

    With o_k the probability that the image is of class k at all, q_k = p_k o_k, and the last is sum_k p_k (1 - o_k).

    Args:
        probs: (N, K), floating, p: each row sums to 1.
        known_probs: (N, K), floating, o: each in [0, 1].

    Returns:
        (N, K + 1), float32 or better, without a gradient; each row sums to 1.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> open_targets(torch.tensor([[0.75, 0.25]]), torch.tensor([[1.0, 0.5]]))
    tensor([[0.7500, 0.1250, 0.1250]])
    """
    if probs.dim() != 2 or probs.shape != known_probs.shape:
        raise ValueError(
            f"Expected two (N, K) tensors of one shape, but got {tuple(probs.shape)} and {tuple(known_probs.shape)}"
        )
    if not (probs.is_floating_point() and known_probs.is_floating_point()):
        raise ValueError(f"Expected floating probabilities, but got {probs.dtype} and {known_probs.dtype}")
    with without_autocast(probs), torch.no_grad():
        classes, known = at_least_float32(probs), at_least_float32(known_probs)
        return torch.cat((classes * known, (classes * (1 - known)).sum(1, keepdim=True)), dim=1)


def _differences(logits: Tensor) -> Tensor:
    """Known minus unknown of each pair, (N, K): the logit of *known*.

    Raises:
        ValueError: ``logits`` is not floating (N, 2K) with K at least 1.
    """
    if logits.dim() != 2 or not logits.is_floating_point() or logits.shape[1] % 2 or not logits.shape[1]:
        raise ValueError(
            f"Expected argument `logits` to be a floating (N, 2K) tensor of K pairs, "
            f"but got {str(logits.dtype).removeprefix('torch.')} {tuple(logits.shape)}"
        )
    unknown, known = at_least_float32(logits).view(len(logits), logits.shape[1] // 2, 2).unbind(2)
    return known - unknown
