"""What the page says of a network's predictions: confusion, calibration, the images it is surest of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10
"""Bins of a reliability diagram and of a histogram of scores: between 0 and 1, of the same width."""


@dataclass(frozen=True)
class Reliability:
    """How often a network is right where it is so sure.

    Attributes:
        confidence: (B,), the mean confidence of each bin that holds an image.
        accuracy: (B,), the share of its images that are right.
        count: (B,), how many images it holds.
        error: the expected calibration error, the mean of ``|accuracy - confidence|`` over the images.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray
    error: float


@dataclass(frozen=True)
class Negatives:
    """What classes were made negatives of some images.

    Attributes:
        share: (K,), the share of the images that each class was a negative of.
        wrong: (K,), the share of those that were of that class.
        mean_count: negatives of an image, in the mean.
        wrong_images: the share of the images of seen classes whose negatives hold their own class; None without any.
        images: how many images; ``of_seen`` of them have a label of the K classes.
        of_seen: the same, of seen classes alone.
    """

    share: np.ndarray
    wrong: np.ndarray
    mean_count: float
    wrong_images: float | None
    images: int
    of_seen: int


def probabilities(logits: np.ndarray) -> np.ndarray:
    """The softmax (N, K), in float64, of logits (N, K).

    >>> probabilities(np.array([[0.0, 0.0], [1000.0, 0.0]])).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    found: np.ndarray = shifted / shifted.sum(1, keepdims=True)
    return found


def confusion(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts (K, K), a row for each true class and a column for each predicted one.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    from sklearn.metrics import confusion_matrix

    found: np.ndarray = confusion_matrix(labels, predicted, labels=np.arange(num_classes))
    return found


def reliability(confidence: np.ndarray, right: np.ndarray) -> Reliability:
    """How often predictions are right, by how sure they are.

    Args:
        confidence: (N,), the probability of the predicted class; N is at least 1.
        right: (N,), bool.

    >>> found = reliability(np.array([0.95, 0.95, 0.65, 0.65]), np.array([True, True, True, False]))
    >>> found.accuracy.tolist(), found.count.tolist(), round(found.error, 3)
    ([0.5, 1.0], [2, 2], 0.1)
    """
    from sklearn.calibration import calibration_curve

    # A softmax may round to more than 1.
    confidence = confidence.clip(0.0, 1.0)
    accuracy, mean = calibration_curve(right.astype(int), confidence, n_bins=BINS, strategy="uniform")
    # The bins of calibration_curve, which does not say how many images each holds: each has its upper edge.
    bins = np.searchsorted(np.linspace(0.0, 1.0, BINS + 1)[1:-1], confidence)
    count = np.bincount(bins, minlength=BINS)
    count = count[count > 0]
    error = float((count * np.abs(accuracy - mean)).sum() / count.sum())
    return Reliability(mean, accuracy, count, error)


def histogram(scores: np.ndarray, bins: int = 2 * BINS) -> np.ndarray:
    """The share (bins,) of scores (N,) from 0 to 1 in each bin; zeros where there are none.

    >>> histogram(np.array([0.1, 0.9, 1.0, 0.95]), 2).tolist()
    [0.25, 0.75]
    """
    counts, _ = np.histogram(scores, bins=bins, range=(0.0, 1.0))
    found: np.ndarray = counts / max(1, len(scores))
    return found


def negatives(mask: np.ndarray, labels: np.ndarray) -> Negatives:
    """How often each class was a negative, and how often that was wrong.

    Args:
        mask: (N, K), bool, the negatives of N images, at least one.
        labels: (N,), true classes; K or above is an unseen class, of which no negative can be wrong.

    >>> found = negatives(np.array([[True, False], [True, True], [False, True]]), np.array([0, 1, 2]))
    >>> found.wrong.tolist(), found.wrong_images, found.images, found.of_seen
    ([0.5, 0.5], 1.0, 3, 2)
    """
    num_classes = mask.shape[1]
    of_class = labels[:, None] == np.arange(num_classes)
    held = mask.sum(0)
    wrong = (mask & of_class).sum(0)
    seen = int(of_class.any(1).sum())
    return Negatives(
        share=mask.mean(0),
        wrong=np.divide(wrong, held, out=np.zeros(num_classes), where=held > 0),
        mean_count=float(mask.sum(1).mean()),
        wrong_images=float(wrong.sum() / seen) if seen else None,
        images=len(mask),
        of_seen=seen,
    )


def surest(confidence: np.ndarray, right: np.ndarray, at_most: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the images that a network is surest of: of those it has right, and of those it has wrong.

    >>> surest(np.array([0.5, 0.9, 0.8, 0.7]), np.array([True, False, True, False]), 1)
    (array([2]), array([1]))
    """
    order = np.argsort(-confidence, kind="stable")
    return order[right[order]][:at_most], order[~right[order]][:at_most]
