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
