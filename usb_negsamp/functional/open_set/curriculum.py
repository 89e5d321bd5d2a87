"""What the two curricula compute: thresholds that select images, and the losses on them.

Of Curriculum Labeling (Cascante-Bonilla et al., AAAI 2021) who is sure enough, what a class weighs, the loss of mixed
images; of Multi-Task Curriculum (Yu et al., ECCV 2020) Otsu's threshold and the loss of its second task.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.functional._numerics import at_least_float32, check_between, check_labels, without_autocast


def percentile_threshold(scores: Tensor, percentile: float) -> Tensor:
    """Return the value, float64, that ``percentile`` percent of ``scores`` lie below: between two, on the line.

    Args:
        scores: (N,), floating, at least one.
        percentile: from 0, the smallest score, to 100, the largest.

    Raises:
        ValueError: there is no score, or no such percentile.

    >>> percentile_threshold(torch.tensor([0.0, 1.0, 0.5, 0.25]), 50).item()
    0.375
    """
    if scores.dim() != 1 or not len(scores):
        raise ValueError(f"Expected argument `scores` to be (N,) with N above 0, but got shape {tuple(scores.shape)}")
    check_between("percentile", percentile, 0.0, 100.0)
    ascending = scores.double().sort().values
    place = percentile / 100.0 * (len(scores) - 1)
    below = int(place)
    above = min(below + 1, len(scores) - 1)
    return torch.lerp(ascending[below], ascending[above], place - below)


def rarity_weights(counts: Tensor) -> Tensor:
    """Return (K,), float32, the weight (N - n_k) / n_k of each class: the other classes' samples to one of its own.

    A class without a sample weighs nothing, and where all samples are of one class that class weighs 1. The factor by
    which the released code divides all of them is left out, since a weighted mean does not depend on it.

    Args:
        counts: (K,) integers, the samples n_k of each class.

    >>> rarity_weights(torch.tensor([30, 10, 0])).tolist()
    [0.3333333432674408, 3.0, 0.0]
    >>> rarity_weights(torch.tensor([0, 5])).tolist()
    [0.0, 1.0]
    """
    total = counts.sum()
    weights = (total - counts).double() / counts.clamp(min=1)
    weights = torch.where(counts == total, torch.ones_like(weights), weights)
    return torch.where(counts > 0, weights, torch.zeros_like(weights)).float()


def mixed_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    partners: Tensor,
    share: float,
    class_weights: Tensor,
    total: Tensor | None = None,
) -> Tensor:
    """Return share * CE(z, y) + (1 - share) * CE(z, y of the partners), each the mean weighted by its labels' classes.

    Args:
        logits: (N, K), of images that were mixed.
        labels: (N,) integers, the class y of each image.
        partners: (N,) integers, the row that each image was mixed with.
        share: lambda in [0, 1], what the image itself has of the mixed one.
        class_weights: (K,), not negative.
        total: what both weighted sums are divided by; none, the sum of the weights of their labels.

    Raises:
        ValueError: the labels are not one integer a row, or there is no such share.

    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> labels, partners = torch.tensor([0, 1]), torch.tensor([1, 0])
    >>> [round(mixed_cross_entropy(logits, labels, partners, s, torch.ones(2)).item(), 4) for s in (1.0, 0.0)]
    [0.1269, 2.1269]
    """
    check_labels("labels", labels)
    check_between("share", share, 0.0, 1.0)
    with without_autocast(logits):
        log_probs = at_least_float32(logits).log_softmax(dim=1)
        class_weights = class_weights.to(log_probs.dtype)

        def cross_entropy(targets: Tensor) -> Tensor:
            weights = class_weights[targets]
            terms = -weights * log_probs.gather(1, targets.unsqueeze(1)).squeeze(1)
            return terms.sum() / (weights.sum() if total is None else total)

        own = cross_entropy(labels)
        return own if share == 1.0 else share * own + (1.0 - share) * cross_entropy(labels[partners])


def otsu_threshold(scores: Tensor, num_bins: int = 256) -> Tensor:
    """Return the value, float64, that divides ``scores`` so that the two parts' means are furthest apart (Otsu, 1979).

    Of a histogram of equal bins from the smallest score to the largest, the center of the last bin of the lower part
    where n_lower * n_upper * (mean_lower - mean_upper)^2 is largest; of several the lowest. As in scikit-image, so that
    scores of that bin may lie on either side of it. Where all scores are equal it is that score.

    Args:
        scores: (N,), floating, at least one.
        num_bins: of the histogram, at least 2.

    Raises:
        ValueError: there is no score, or there are fewer bins.

    >>> otsu_threshold(torch.tensor([0.0, 0.1, 0.9, 1.0]), num_bins=10).item()
    0.15000000000000002
    """
    if scores.dim() != 1 or not len(scores):
        raise ValueError(f"Expected argument `scores` to be (N,) with N above 0, but got shape {tuple(scores.shape)}")
    if num_bins < 2:
        raise ValueError(f"Expected argument `num_bins` to be at least 2, but got {num_bins}")
    values = scores.double()
    low, high = values.min(), values.max()
    if bool(low == high):
        return low
    edges = low + torch.arange(num_bins + 1, dtype=torch.float64, device=values.device) * ((high - low) / num_bins)
    edges[-1] = high
    bins = (torch.searchsorted(edges, values, right=True) - 1).clamp(0, num_bins - 1)
    counts = bins.bincount(minlength=num_bins).double()
    centers = (edges[:-1] + edges[1:]) / 2
    mass, moment = counts.cumsum(0), (counts * centers).cumsum(0)
    below, above = mass[:-1], mass[-1] - mass[:-1]
    # No part is empty: the first bin and the last one hold the smallest and the largest score.
    apart = moment[:-1] / below - (moment[-1] - moment[:-1]) / above
    return centers[(below * above * apart.square()).argmax()]


def domain_loss(labeled_logits: Tensor, unlabeled_logits: Tensor, soft_labels: Tensor, labeled_share: float) -> Tensor:
    """Return the mean binary cross-entropy of "seen": labeled images are, unlabeled ones by their soft label.

    The two kinds count as in a batch that is drawn from all images, whatever their numbers here.

    Args:
        labeled_logits: (B,), of the probability that an image is of a seen class.
        unlabeled_logits: (N,), likewise.
        soft_labels: (N,) in [0, 1].
        labeled_share: labeled images of all images, in [0, 1].

    Raises:
        ValueError: there is no such share, or not one soft label an unlabeled image.

    >>> zeros = torch.zeros(2)
    >>> round(domain_loss(zeros, zeros, torch.tensor([0.0, 1.0]), 0.1).item(), 4)
    0.6931
    """
    check_between("labeled_share", labeled_share, 0.0, 1.0)
    if soft_labels.shape != unlabeled_logits.shape:
        raise ValueError(
            f"Expected argument `soft_labels` to be one an unlabeled image, {tuple(unlabeled_logits.shape)}, "
            f"but got {tuple(soft_labels.shape)}"
        )
    with without_autocast(unlabeled_logits):
        labeled, unlabeled = at_least_float32(labeled_logits), at_least_float32(unlabeled_logits)
        of_labeled = F.softplus(-labeled).mean()
        # By logits: a probability that is rounded to 0 or 1 has no logarithm.
        of_unlabeled = F.binary_cross_entropy_with_logits(unlabeled, soft_labels.to(unlabeled.dtype))
        return labeled_share * of_labeled + (1.0 - labeled_share) * of_unlabeled
