"""How a loss weight grows over training."""

from __future__ import annotations

import math


def sigmoid_ramp(t: float) -> float:
    """Return exp(-5 (1 - t)^2), with t clipped to [0, 1]; ``t`` is the share of the ramp that has passed.

    >>> round(sigmoid_ramp(0.5), 4), sigmoid_ramp(1.0), sigmoid_ramp(7.0)
    (0.2865, 1.0, 1.0)
    """
    return math.exp(-5.0 * (1.0 - linear_ramp(t)) ** 2)


def linear_ramp(t: float) -> float:
    """Return t clipped to [0, 1].

    >>> linear_ramp(-1), linear_ramp(0.25), linear_ramp(2)
    (0.0, 0.25, 1.0)
    """
    return float(min(max(t, 0.0), 1.0))


def truncated_sigmoid_ramp(t: float, share: float) -> float:
    """Return exp(-5 (1 - s t)^2) / exp(-5 (1 - s)^2), with t clipped to [0, 1]; ``t`` as for :func:`sigmoid_ramp`.

    It is the first part of a sigmoid ramp over the whole training, scaled to end at 1. In DNLL's released code, 75
    exp(-5 (1 - e/100)^2) in epoch e of 100 and 2 from epoch 15 on, that is 2 times this with a share of 0.15.

    Args:
        t: the share of the ramp that has passed.
        share: s, the ramp's share of the training, in [0, 1].

    >>> [round(2 * truncated_sigmoid_ramp(epoch / 15, 0.15), 2) for epoch in (0, 5, 10, 15)]
    [0.5, 0.81, 1.29, 2.0]
    """
    return math.exp(-5.0 * ((1.0 - share * linear_ramp(t)) ** 2 - (1.0 - share) ** 2))
