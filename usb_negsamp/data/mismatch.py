"""The mismatch of a pool from what a trained network makes of its images.

:func:`mismatch_from_features` is the way that came out nearest on splits of known mismatch: distances to held-out seen
images, ranked within the class that the network predicts, and Storey's estimator. Its parts are here for other uses.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.errors import ConfigError
from usb_negsamp.functional.open_set.mismatch import estimate_mismatch

_ROWS = 1024  # of the distance matrix at a time


def mismatch_from_features(
    seen_features: Tensor,
    pool_features: Tensor,
    seen_predictions: Tensor,
    pool_predictions: Tensor,
    *,
    num_neighbors: int = 3,
    method: str = "storey",
) -> float:
    """Return the share of the pool that is of unseen classes, in [0, 1].

    Args:
        seen_features: (N, D), floating, of images of the seen classes that the network was not trained on, such as the
            validation images of the seen classes, without augmentation.
        pool_features: (M, D), of the unlabeled pool, from the same network and also without augmentation.
        seen_predictions: (N,), integer, the class that the network predicts (not the label).
        pool_predictions: (M,), the same of the pool.
        num_neighbors: which neighbor's distance is the score.
        method: of :func:`usb_negsamp.functional.estimate_mismatch`.

    Raises:
        ConfigError: there are no more seen images than ``num_neighbors``, no pool, or shapes do not fit.
        ValueError: features are not finite, or the method is unknown.
    """
    seen, pool = neighbor_scores(seen_features, pool_features, num_neighbors)
    return estimate_mismatch(*ranks_within_classes(seen, pool, seen_predictions, pool_predictions), method)


def neighbor_scores(seen_features: Tensor, pool_features: Tensor, num_neighbors: int = 3) -> tuple[Tensor, Tensor]:
    """Return minus the distance of each image to its k-th nearest seen image, (N,) and (M,), float32, on the CPU.

    Sun et al., "Out-of-Distribution Detection with Deep Nearest Neighbors", 2022: features are scaled to length 1. A
    seen image is no neighbor of itself.

    Raises:
        ConfigError: there are no more seen images than ``num_neighbors``, no pool, or shapes do not fit.
    """
    _check_features(seen_features, pool_features)
    if not 1 <= num_neighbors < len(seen_features):
        raise ConfigError(
            f"num_neighbors: expected 1 to {len(seen_features) - 1}, fewer than the {len(seen_features)} held-out "
            f"images of seen classes, but got {num_neighbors}"
        )
    seen, pool = (F.normalize(x.detach().to("cpu", torch.float32), dim=1) for x in (seen_features, pool_features))
    near = []
    for rows in torch.split(torch.arange(len(seen)), _ROWS):
        distances = _distances(seen[rows], seen)
        distances[torch.arange(len(rows)), rows] = float("inf")
        near.append(distances.kthvalue(num_neighbors, dim=1).values)
    far = [_distances(rows, seen).kthvalue(num_neighbors, dim=1).values for rows in torch.split(pool, _ROWS)]
    return -torch.cat(near), -torch.cat(far)


def ranks_within_classes(
    seen_scores: Tensor, pool_scores: Tensor, seen_predictions: Tensor, pool_predictions: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the ranks in (0, 1) of all scores among the seen scores of the same predicted class, (N,) and (M,).

    Scores of different classes become comparable, and the pool may hold the seen classes in other proportions than the
    held-out images: given the class, a seen image of the pool has a uniform rank either way. Of n seen scores the i-th
    has rank (i - 1/2) / n. The pool's scores between the i-th and the next are spread in order over i/(n + 1) to
    (i + 1)/(n + 1), so that few seen scores do not make coarse ranks; those equal to seen scores over all places that
    they could take among these. A class that no seen image is predicted to be has rank 0 throughout: nothing speaks for
    its images being seen.

    Args:
        seen_scores: (N,), floating, high where an image looks seen.
        pool_scores: (M,), floating.
        seen_predictions: (N,), integer.
        pool_predictions: (M,), integer.

    Returns:
        float64, on the CPU.

    Raises:
        ConfigError: the shapes do not fit.
    """
    for name, predictions, scores in (
        ("seen_predictions", seen_predictions, seen_scores),
        ("pool_predictions", pool_predictions, pool_scores),
    ):
        if predictions.shape != scores.shape or scores.dim() != 1 or predictions.is_floating_point():
            raise ConfigError(
                f"{name}: expected one integer for each of the {tuple(scores.shape)} scores, "
                f"but got {predictions.dtype} {tuple(predictions.shape)}"
            )
    seen, pool = (x.detach().to("cpu", torch.float64) for x in (seen_scores, pool_scores))
    seen_classes, pool_classes = seen_predictions.cpu(), pool_predictions.cpu()
    seen_ranks, pool_ranks = torch.zeros_like(seen), torch.zeros_like(pool)
    for label in torch.unique(seen_classes):
        of_seen, of_pool = seen_classes == label, pool_classes == label
        reference = seen[of_seen].sort().values
        order = seen[of_seen].argsort(stable=True)
        middles = (torch.arange(len(order), dtype=torch.float64) + 0.5) / len(order)
        seen_ranks[of_seen] = torch.empty_like(middles).scatter_(0, order, middles)
        pool_ranks[of_pool] = _spread_ranks(pool[of_pool], reference)
    return seen_ranks, pool_ranks


def classifier_posteriors(
    seen_features: Tensor, pool_features: Tensor, *, folds: int = 5, strength: float = 0.01, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return P(from the pool | features) of a logistic regression that tells seen images from the pool, (N,), (M,).

    Each image's posterior is of a classifier that was fitted without it. Minus the posterior is a score for
    ``estimate_mismatch``; ``mismatch_from_posteriors`` takes the posteriors as they are.

    Args:
        seen_features: (N, D), floating.
        pool_features: (M, D), floating.
        folds: at least 2, at most N and M.
        strength: inverse of the ridge penalty on standardized features.
        seed: of the folds.

    Raises:
        ConfigError: too few images for the folds, or shapes do not fit.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    _check_features(seen_features, pool_features)
    n, m = len(seen_features), len(pool_features)
    if not 2 <= folds <= min(n, m):
        raise ConfigError(f"folds: expected 2 to {min(n, m)}, of {n} seen and {m} pool images, but got {folds}")
    features = torch.cat([x.detach().to("cpu", torch.float64) for x in (seen_features, pool_features)]).numpy()
    from_pool = np.r_[np.zeros(n, dtype=np.int64), np.ones(m, dtype=np.int64)]
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
    cuts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    posteriors = cross_val_predict(classifier, features, from_pool, cv=cuts, method="predict_proba")[:, 1]
    both = torch.from_numpy(posteriors)
    return both[:n], both[n:]


def _distances(x: Tensor, y: Tensor) -> Tensor:
    # By differences: products cancel between near neighbors, and those are what counts.
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _spread_ranks(scores: Tensor, reference: Tensor) -> Tensor:
    """Return ranks in (0, 1) among the sorted ``reference``; those in one gap, or equal to one value, spread evenly."""
    order = scores.argsort(stable=True)
    ordered = scores[order]
    below = torch.searchsorted(reference, ordered)
    upto = torch.searchsorted(reference, ordered, right=True)
    # below + upto grows with the score and differs between gaps and tied values.
    _, place, counts = torch.unique_consecutive(below + upto, return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts
    within = (torch.arange(len(ordered)) - starts[place] + 0.5) / counts[place]
    ranks = (below + within * (upto - below + 1)) / (len(reference) + 1)
    return torch.empty_like(scores).scatter_(0, order, ranks.to(scores.dtype))


def _check_features(seen_features: Tensor, pool_features: Tensor) -> None:
    for name, x in (("seen_features", seen_features), ("pool_features", pool_features)):
        if x.dim() != 2 or len(x) == 0 or not x.is_floating_point():
            raise ConfigError(f"{name}: expected floating features (N, D), N > 0, but got {x.dtype} {tuple(x.shape)}")
        if not bool(x.isfinite().all()):
            raise ConfigError(f"{name}: expected finite features, but got NaN or infinity")
    if seen_features.shape[1] != pool_features.shape[1]:
        raise ConfigError(
            f"seen_features and pool_features: expected features of one length, "
            f"but got {seen_features.shape[1]} and {pool_features.shape[1]}"
        )
