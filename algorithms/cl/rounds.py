"""Where the rounds of a training begin and end, and how the weights of one are averaged. Numbers alone."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence


def round_ends(num_iterations: int, sizes: Sequence[float]) -> tuple[int, ...]:
    """Return the iteration before which each round ends: shares in proportion to ``sizes``, each at least one.

    Args:
        num_iterations: of all rounds together, at least as many as there are rounds.
        sizes: of the rounds, above 0.

    >>> round_ends(8, [1] * 6)
    (1, 3, 4, 5, 7, 8)
    >>> round_ends(10, [1, 10, 89])
    (1, 2, 10)
    """
    total, ends = sum(sizes), [0]
    for number, size in enumerate(itertools.accumulate(sizes)):
        rounds_left = len(sizes) - number - 1
        wanted = round(num_iterations * size / total)
        ends.append(min(max(wanted, ends[-1] + 1), num_iterations - rounds_left))
    return tuple(ends[1:])


def round_at(iteration: int, ends: Sequence[int]) -> int:
    """Return the round that an iteration is in; past the end, the last one.

    >>> [round_at(iteration, (1, 3, 4)) for iteration in range(6)]
    [0, 1, 1, 2, 2, 2]
    """
    return min(bisect.bisect_right(ends, iteration), len(ends) - 1)


def snapshot_decay(step: int, length: int, start: float, every: float) -> float:
    """Return the decay of an average of the weights by which it is the mean of snapshots (Izmailov et al., 2018).

    Until the first snapshot the average is the weights themselves.

    Args:
        step: of a round, from 0.
        length: of the round, in steps.
        start: share of the round after which the first snapshot is taken.
        every: share of the round from one snapshot to the next.

    >>> [snapshot_decay(step, 10, 0.4, 0.2) for step in range(4, 9)]
    [0.0, 1.0, 0.5, 1.0, 0.6666666666666666]
    >>> snapshot_decay(0, 10, 0.4, 0.2)
    0.0
    """
    first, period = round(start * length), max(1, round(every * length))
    number, between = divmod(step - first, period)
    if number < 0:
        return 0.0
    return 1.0 if between else number / (number + 1)
