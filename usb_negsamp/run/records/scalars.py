"""The numbers in an algorithm's ``log_dict``, which may be Python's, numpy's or 0-dimensional tensors."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

# The host's clocks. They differ between two runs of the same seed, so they stay out of what is compared between runs.
CLOCKS = ("train/run_time", "train/prefetch_time", "train/prefecth_time")


def scalars(log_dict: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers in ``log_dict`` and leave out everything else.

    On a GPU this waits for the step to end, so it is called when numbers are shown or written, not each step.
    """
    found = {}
    for name, value in log_dict.items():
        if hasattr(value, "item") and getattr(value, "size", None) is not None:
            count = value.numel() if hasattr(value, "numel") else value.size
            if count != 1:
                continue
            value = value.item()
        if isinstance(value, numbers.Real):
            found[name] = float(value)
    return found


def finite_or_none(value: float) -> float | None:
    """Return ``value``, or None (JSON's null) for NaN and infinities, which JSON has no word for."""
    return value if math.isfinite(value) else None
