"""Means, spreads and paired differences of a few runs."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
RESAMPLES = 10_000
"""Means that a bootstrap draws where there are more ways than that to draw them."""


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


def bootstrapped_difference(values: Mapping[str, float], baseline: Mapping[str, float]) -> Difference | None:
    """Return the mean of ``values - baseline`` over the keys that both have, with a 95% interval by the bootstrap.

    The interval holds the middle 95% of the means of as many differences, drawn with replacement: of all draws where
    there are at most ``RESAMPLES``, else of that many, the same ones each time. It takes no distribution for granted;
    of fewer than about ten pairs it is narrower than Student's.

    Args:
        values: a figure for each split.
        baseline: the same figure of the baseline, for each split.

    Returns:
        None where no split is in both.

    >>> bootstrapped_difference({"0": 3.0, "1": 5.0, "7": 0.0}, {"0": 4.0, "1": 8.0})
    Difference(mean=-2.0, interval=(-3.0, -1.0), n=2)
    """
    pairs = sorted(set(values) & set(baseline))
    if not pairs:
        return None
    found = [values[pair] - baseline[pair] for pair in pairs]
    number = len(found)
    mean = spread(found).mean
    if number == 1:
        return Difference(mean, None, 1)
    if number**number <= RESAMPLES:
        means = sorted(math.fsum(drawn) / number for drawn in itertools.product(found, repeat=number))
    else:
        generator = random.Random(0)
        means = sorted(math.fsum(generator.choices(found, k=number)) / number for _ in range(RESAMPLES))
    outside = math.floor((1 - CONFIDENCE) / 2 * len(means))
    return Difference(mean, (means[outside], means[-1 - outside]), number)
