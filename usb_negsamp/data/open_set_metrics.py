"""How well scores tell images of seen classes from others, and the accuracy of a method that rejects.

Every score is high for images of seen classes. A figure that the data cannot give (one kind of image is missing, all
scores are equal, a score is not a number) is None, never NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from sklearn.metrics import average_precision_score, recall_score, roc_auc_score
from torch import Tensor


def max_softmax_score(logits: Tensor) -> Tensor:
    """The largest class probability, (N,) in float64: float32 rounds those of a sure network to the same 1.

    Args:
        logits: (N, K), of any floating dtype.
    """
    return logits.double().softmax(1).amax(1)


def energy_score(logits: Tensor) -> Tensor:
    """The negative energy log sum_k exp(z_k) at temperature 1 (Liu et al. 2020, eq. 4), (N,) in float64.

    Args:
        logits: (N, K), of any floating dtype.
    """
    return logits.double().logsumexp(1)


SCORES: dict[str, Callable[[Tensor], Tensor]] = {"softmax": max_softmax_score, "energy": energy_score}


def auroc(seen: np.ndarray, unseen: np.ndarray) -> float | None:
    """Area under the ROC curve: the chance that a seen image has a higher score than an unseen one, ties counting half.

    Args:
        seen: (N,) scores of images of seen classes, the positive class.
        unseen: (M,) scores of the others.

    >>> auroc(np.array([0.9, 0.8]), np.array([0.1, 0.85]))
    0.75
    >>> auroc(np.array([0.9, 0.8]), np.array([])) is None
    True
    """
    if not _rankable(seen, unseen):
        return None
    return float(roc_auc_score(*_joined(seen, unseen)))


def aupr(seen: np.ndarray, unseen: np.ndarray, positive: str = "seen") -> float | None:
    """Average precision, the area under the precision-recall curve in steps.

    Args:
        seen: (N,) scores of images of seen classes.
        unseen: (M,) scores of the others.
        positive: ``"seen"``: a high score retrieves a seen image; ``"unseen"``: a low one retrieves an unseen image.

    Raises:
        ValueError: ``positive`` is neither.

    >>> aupr(np.array([0.9, 0.8]), np.array([0.1, 0.85]))
    0.8333333333333333
    >>> aupr(np.array([0.9, 0.8]), np.array([0.1, 0.85]), positive="unseen")
    0.8333333333333333
    """
    if positive not in ("seen", "unseen"):
        raise ValueError(f"Expected positive to be 'seen' or 'unseen', but got {positive!r}")
    if not _rankable(seen, unseen):
        return None
    if positive == "unseen":
        seen, unseen = -unseen, -seen
    return float(average_precision_score(*_joined(seen, unseen)))


def keeping_threshold(scores: np.ndarray, share: float = 0.95) -> float | None:
    """The highest threshold t for which at least ``share`` of ``scores`` (N,) are t or more.

    Raises:
        ValueError: ``share`` is not more than 0 and at most 1.

    >>> keeping_threshold(np.arange(1.0, 101.0))
    6.0
    """
    if not 0 < share <= 1:
        raise ValueError(f"Expected a share of more than 0 and at most 1, but got {share}")
    if len(scores) == 0 or not np.isfinite(scores).all():
        return None
    # 0.95 * 100 is more than 95 in floating point, which would keep one score more than is needed.
    kept = math.ceil(share * len(scores) - 1e-9)
    return float(np.sort(scores)[len(scores) - kept])


def open_accuracy(predictions: np.ndarray, rejected: np.ndarray, labels: np.ndarray, num_seen: int) -> float | None:
    """Balanced accuracy over K + 1 classes, all unseen ones being one (Li et al. 2023, IOMatch).

    The mean recall of the K seen classes, which a rejected image is lost to, and of the rejection of unseen images;
    over those of the K + 1 that have images.

    Args:
        predictions: (N,) class of each image, 0..K-1.
        rejected: (N,) bool, whether the method takes the image for one of an unseen class.
        labels: (N,) true class; K and above, or negative, is unseen.
        num_seen: K.

    Returns:
        None where there are no unseen images: it would be another figure.

    >>> open_accuracy(np.array([0, 1, 1]), np.array([False, False, True]), np.array([0, 1, 5]), 2)
    1.0
    """
    unseen = (labels < 0) | (labels >= num_seen)
    if not unseen.any() or unseen.all():
        return None
    true = np.where(unseen, num_seen, labels)
    predicted = np.where(rejected, num_seen, predictions)
    return float(recall_score(true, predicted, labels=np.unique(true), average="macro", zero_division=0.0))


def separation(logits: Tensor, labels: Tensor, num_seen: int, own_score: Tensor | None = None) -> dict[str, float]:
    """AUROC and AUPR of seen against unseen images by each score; what cannot be had is left out.

    Args:
        logits: (N, K).
        labels: (N,) true class; ``num_seen`` and above, or negative, is unseen.
        num_seen: number of seen classes.
        own_score: (N,) of a method with a rejection of its own; high is *unseen*.

    Returns:
        ``auroc``, ``aupr`` (seen positive) and ``aupr_unseen`` (unseen positive) by maximum softmax, those with the
        ending ``_energy`` by energy, with ``_reject`` by ``own_score``.
    """
    unseen = ((labels < 0) | (labels >= num_seen)).numpy()
    scores = {"" if name == "softmax" else f"_{name}": score(logits).numpy() for name, score in SCORES.items()}
    if own_score is not None:
        scores["_reject"] = -own_score.double().numpy()
    found: dict[str, float | None] = {}
    for ending, values in scores.items():
        parts = (values[~unseen], values[unseen])
        found[f"auroc{ending}"] = auroc(*parts)
        found[f"aupr{ending}"] = aupr(*parts)
        found[f"aupr_unseen{ending}"] = aupr(*parts, positive="unseen")
    return {name: value for name, value in found.items() if value is not None}


def confident_pseudo_labels(logits: Tensor, labels: Tensor, num_seen: int, cutoff: float) -> dict[str, float]:
    """What a confidence threshold lets through; what has no images is left out.

    Args:
        logits: (N, K).
        labels: (N,) true class; ``num_seen`` and above, or negative, is unseen.
        num_seen: number of seen classes.
        cutoff: a prediction counts where its probability is this or more.

    Returns:
        ``confident_seen`` and ``confident_unseen``, the shares of seen and of unseen images with such a prediction, and
        ``confident_seen_acc``, the share of right ones among those of seen images.
    """
    unseen = (labels < 0) | (labels >= num_seen)
    confident = max_softmax_score(logits) >= cutoff
    found = {}
    for name, members in (("confident_seen", ~unseen), ("confident_unseen", unseen)):
        if members.any():
            found[name] = confident[members].double().mean().item()
    counted = confident & ~unseen
    if counted.any():
        found["confident_seen_acc"] = (logits.argmax(1) == labels)[counted].double().mean().item()
    return found


def mean_weights(weights: Tensor, labels: Tensor, num_seen: int) -> dict[str, float]:
    """What images count on average; what has no images is left out.

    Args:
        weights: (N,).
        labels: (N,) true class; ``num_seen`` and above, or negative, is unseen.
        num_seen: number of seen classes.

    Returns:
        ``weight_seen`` and ``weight_unseen``.

    >>> import torch
    >>> mean_weights(torch.tensor([1.0, 0.5, 0.25]), torch.tensor([0, 1, 2]), num_seen=2)
    {'weight_seen': 0.75, 'weight_unseen': 0.25}
    """
    unseen = (labels < 0) | (labels >= num_seen)
    parts = {"weight_seen": weights[~unseen], "weight_unseen": weights[unseen]}
    return {name: part.double().mean().item() for name, part in parts.items() if len(part)}


def evenly_spaced(size: int, at_most: int) -> np.ndarray:
    """Indices, int64, of ``at_most`` of ``size`` images with even steps, or of all; 0 is no limit.

    >>> evenly_spaced(10, 4).tolist()
    [0, 3, 6, 9]
    >>> evenly_spaced(3, 0).tolist()
    [0, 1, 2]
    """
    if at_most == 0 or size <= at_most:
        return np.arange(size, dtype=np.int64)
    return np.linspace(0, size - 1, at_most).astype(np.int64)


def _rankable(seen: np.ndarray, unseen: np.ndarray) -> bool:
    if len(seen) == 0 or len(unseen) == 0:
        return False
    scores = np.concatenate([seen, unseen])
    return bool(np.isfinite(scores).all()) and scores.min() < scores.max()


def _joined(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    truth = np.concatenate([np.ones(len(positive), dtype=np.int64), np.zeros(len(negative), dtype=np.int64)])
    return truth, np.concatenate([positive, negative])
