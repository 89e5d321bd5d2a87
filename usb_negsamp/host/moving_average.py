"""The host's moving average of the weights, begun anew."""

from __future__ import annotations

from typing import Any

from semilearn.core.utils import misc


def follow_anew(algorithm: Any) -> None:
    """Let the average of ``algorithm`` start at the weights as they are, under the names that they have now."""
    algorithm.ema = misc.EMA(algorithm.model, algorithm.ema_m)
    algorithm.ema.register()
