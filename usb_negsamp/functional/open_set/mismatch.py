"""The mismatch where it is not known: delta, the share of a pool that is of unseen classes, from scores.

The pool is a mixture, alpha seen + (1 - alpha) unseen, and delta = 1 - alpha. Given are a score of each pool image and
of images known to be of seen classes, high where an image looks seen. All methods rest on one fact: where no unseen
image scores, the density of the pool is alpha times that of the seen images. So they find delta only as far as some
scores are reached by seen images alone; unseen images that score like seen ones are counted as seen.

``storey``         Storey, "A direct approach to false discovery rates", 2002, on conformal p-values, an idea that Lin
                   and Long, arXiv 1801.09834, brought to mixture proportions: alpha is the share of the pool above the
                   lambda-quantile of the seen scores over 1 - lambda; lambda by the least estimated squared error.
``best_bin``       Garg et al., "Mixture Proportion Estimation and PU Learning: A Modern Approach", 2021: the same
                   ratio at the threshold where its upper confidence bound is least.
``minimum_ratio``  Liu and Tao, "Classification with Noisy Labels by Importance Reweighting", 2015, whom SPL cites:
                   alpha is the least density ratio, pool to seen, over the seen images, here of kernel estimates.
                   :func:`mismatch_from_posteriors` is the same with a classifier in the place of the kernels.

Which scores: of images that the network was not trained on, else they look more seen than the pool's; from the same
network and the same view. ``usb_negsamp.data.mismatch_from_features`` takes the features and predictions of a trained
network and has the scores that came out best. Softmax maxima saturate at 1 in float32; pass log-odds or energies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MISMATCH_METHODS = ("storey", "best_bin", "minimum_ratio")

_CONFIDENCE = 0.1  # Garg et al. write delta for it, and gamma for the slack; both values are theirs
_SLACK = 0.01
_LOW_QUANTILE = 0.25
# Squares of smaller distances are lost in float64.
_LEAST_BANDWIDTH = 1e-150
_ROWS = 256  # of the kernel matrix at a time


def estimate_mismatch(seen_scores: Tensor, pool_scores: Tensor, method: str = "storey") -> float:
    """Return the share of the pool that is of unseen classes, in [0, 1].

    ``storey`` and ``best_bin`` use the order of the scores alone: any strictly increasing map of all of them gives the
    same result. ``minimum_ratio`` gives the same for a positive factor and an offset.

    Args:
        seen_scores: (N,), floating, of held-out images of the seen classes. Few of them give a rough estimate, and
            ``best_bin`` and ``minimum_ratio`` one that is biased: the smallest of many noisy ratios.
        pool_scores: (M,), floating, of the unlabeled pool.
        method: ``storey``, ``best_bin`` or ``minimum_ratio``; see the top of this module.

    Raises:
        ValueError: scores are not floating (N,) tensors, empty or not finite, or the method is unknown.

    >>> seen, unseen = torch.arange(1.0, 101.0), -torch.arange(1.0, 101.0)
    >>> estimate_mismatch(seen, torch.cat([seen[:70], unseen[:30]]).sort().values) > 0.29
    True
    >>> estimate_mismatch(seen, seen)
    0.0
    """
    seen, pool = _checked("seen_scores", seen_scores), _checked("pool_scores", pool_scores)
    if method == "storey":
        share = _storey(seen, pool)
    elif method == "best_bin":
        share = _best_bin(seen, pool)
    elif method == "minimum_ratio":
        share = _minimum_ratio(seen, pool)
    else:
        expected = ", ".join(MISMATCH_METHODS)
        raise ValueError(f"Expected argument `method` to be one of {expected}, but got {method!r}")
    return 1.0 - min(share, 1.0)


def mismatch_from_posteriors(seen_posteriors: Tensor, pool_posteriors: Tensor) -> float:
    """Return the mismatch by the least probability of being from the pool (Liu and Tao 2015).

    A seen image of the pool is one whose label "seen" was lost. At an image that no unseen one resembles, the odds of
    being from the pool are M alpha to N; the least odds over all images are taken for these.

    Args:
        seen_posteriors: (N,), floating, in [0, 1]: P(from the pool | x) of the seen images, of a classifier that was
            trained to tell N seen images from M of the pool and did not train on x.
        pool_posteriors: (M,), the same of the pool.

    Raises:
        ValueError: posteriors are not floating (N,) tensors, empty, or not in [0, 1].

    >>> mismatch_from_posteriors(torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.9, 0.9, 0.5]))
    0.5
    """
    seen, pool = _checked("seen_posteriors", seen_posteriors), _checked("pool_posteriors", pool_posteriors)
    both = torch.cat([seen, pool])
    if float(both.min()) < 0.0 or float(both.max()) > 1.0:
        raise ValueError(f"Expected posteriors to be in [0, 1], but got {float(both.min())} to {float(both.max())}")
    least = float(both.min())
    share = math.inf if least == 1.0 else least / (1.0 - least) * len(seen) / len(pool)
    return 1.0 - min(share, 1.0)


def _storey(seen: Tensor, pool: Tensor) -> float:
    """Return alpha from the lambda of least estimated squared error, of 0, 0.05 ... 0.95.

    The error is what Storey's choice by bootstrap tends to: the binomial variance, and for the bias the square of the
    distance to a low value of all lambdas' estimates. Two changes, as the N seen scores are a sample too: their
    variance is added, and the low value is the lower quartile, as the minimum is that of a noisier sequence.
    """
    n, m = len(seen), len(pool)
    first = torch.arange(20, dtype=torch.int64) * n // 20
    thresholds = torch.unique(seen.sort().values[first])
    seen_tail, pool_tail = _tails(seen, pool, thresholds)
    shares = pool_tail / seen_tail
    smoothed = (pool_tail * m + 1.0) / (m + 2.0)  # a tail that no image reaches is not known exactly
    relative = (1.0 - smoothed) / (m * smoothed) + (1.0 - seen_tail) / (n * seen_tail)
    variance = (smoothed / seen_tail) ** 2 * relative
    bias = shares - shares.quantile(_LOW_QUANTILE)
    return float(shares[(variance + bias**2).argmin()])


def _best_bin(seen: Tensor, pool: Tensor) -> float:
    """Return alpha at the threshold of the least upper bound, over all scores up to the highest seen one."""
    thresholds = torch.unique(torch.cat([seen, pool[pool <= seen.max()]]))
    seen_tail, pool_tail = _tails(seen, pool, thresholds)
    shares = pool_tail / seen_tail
    width = sum(math.sqrt(math.log(4.0 / _CONFIDENCE) / (2.0 * count)) for count in (len(seen), len(pool)))
    return float(shares[(shares + (1.0 + _SLACK) * width / seen_tail).argmin()])


def _minimum_ratio(seen: Tensor, pool: Tensor) -> float:
    """Return the least ratio of Gaussian kernel densities at the seen scores; Silverman's bandwidth of the seen ones.

    One bandwidth for both keeps the ratio of a pool of seen images near 1 also where the kernels are too wide.
    """
    lower, upper = seen.quantile(0.25), seen.quantile(0.75)
    spread = float((upper - lower) / 1.349) or float(seen.std(correction=0))
    spread = min(spread, float(seen.std(correction=0)))
    bandwidth = 0.9 * spread * len(seen) ** -0.2
    if bandwidth < _LEAST_BANDWIDTH:  # all seen scores are equal: their density is a point
        return float(((pool >= seen.min()) & (pool <= seen.max())).double().mean())
    return min(_least_kernel_ratio(rows, seen, pool, bandwidth) for rows in torch.split(seen, _ROWS))


def _least_kernel_ratio(rows: Tensor, seen: Tensor, pool: Tensor, bandwidth: float) -> float:
    def density(scores: Tensor) -> Tensor:
        return ((rows[:, None] - scores) / bandwidth).square().mul(-0.5).exp().mean(dim=1)

    return float((density(pool) / density(seen)).min())


def _tails(seen: Tensor, pool: Tensor, thresholds: Tensor) -> tuple[Tensor, Tensor]:
    """Return the shares of the seen and of the pool's scores that reach each threshold."""
    seen_below = torch.searchsorted(seen.sort().values, thresholds)
    pool_below = torch.searchsorted(pool.sort().values, thresholds)
    return 1.0 - seen_below.double() / len(seen), 1.0 - pool_below.double() / len(pool)


def _checked(name: str, scores: Tensor) -> Tensor:
    """Return ``scores`` in float64 on the CPU.

    Raises:
        ValueError: they are not a floating (N,) tensor with N > 0, or not finite.
    """
    if scores.dim() != 1 or not scores.is_floating_point() or len(scores) == 0:
        got = f"{str(scores.dtype).removeprefix('torch.')} {tuple(scores.shape)}"
        raise ValueError(f"Expected argument `{name}` to be a floating (N,) tensor with N > 0, but got {got}")
    if not bool(scores.isfinite().all()):
        raise ValueError(f"Expected argument `{name}` to be finite, but got NaN or infinity")
    return scores.detach().to("cpu", torch.float64)
