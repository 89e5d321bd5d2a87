"""Means, spreads and paired differences of a few runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """A mean over ``n`` values; ``std`` is the sample's (n - 1), None for a single value."""

    mean: float
    std: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """A mean of paired differences over ``n`` pairs, with its interval; None for a single pair."""

    mean: float
    interval: tuple[float, float] | None
    n: int


def spread(values: Sequence[float]) -> Spread:
    """Return mean and sample standard deviation.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, std=1.0, n=3)
    >>> spread([4.0])
    Spread(mean=4.0, std=None, n=1)
    """
    if not values:
        raise ValueError("Expected at least one value, but got none")
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Spread(mean, None, 1)
    return Spread(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)), len(values))


def paired_difference(values: Mapping[str, float], baseline: Mapping[str, float]) -> Difference | None:
    """Return the mean of ``values - baseline`` over the keys that both have, with Student's 95% interval.

    Args:
        values: a figure for each split.
        baseline: the same figure of the baseline, for each split.

    Returns:
        None where no split is in both.

    >>> found = paired_difference({"0": 3.0, "1": 5.0, "7": 0.0}, {"0": 4.0, "1": 8.0})
    >>> found.mean, found.n
    (-2.0, 2)
    >>> [round(end, 2) for end in found.interval]
    [-14.71, 10.71]
    """
    pairs = sorted(set(values) & set(baseline))
    if not pairs:
        return None
    found = spread([values[pair] - baseline[pair] for pair in pairs])
    if found.std is None:
        return Difference(found.mean, None, 1)
    # Takes a while to load, and a report may have nothing to compare.
    from scipy import stats

    # Not its t.interval, which has none where all differences are the same.
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, found.n - 1)) * found.std / math.sqrt(found.n)
    return Difference(found.mean, (found.mean - half, found.mean + half), found.n)
