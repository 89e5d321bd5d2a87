"""No warm-up of the unlabeled loss (B22).

What is wrong: pimodel, meanteacher, pseudolabel, vat, mixmatch and remixmatch weight their unlabeled loss with ``it /
(unsup_warm_up * num_train_iter)``. How it shows: ZeroDivisionError for ``unsup_warm_up: 0``. How it is mended: an
``unsup_warm_up`` of 0 is a number by which every step divided is infinite, which the host clips to 1: full weight from
the first step. When it may go: when the host treats 0 by itself.
"""

from __future__ import annotations

from typing import Any

from semilearn.core import AlgorithmBase

from usb_negsamp.host.patching import replace


class NoWarmUp(float):
    """Zero, and its product with a number of steps, as the divisor of a step.

    >>> 0 / (NoWarmUp(0) * 1000)
    inf
    >>> NoWarmUp(0) == 0
    True
    """

    def __mul__(self, steps: float) -> NoWarmUp:
        return self

    __rmul__ = __mul__

    def __rtruediv__(self, step: float) -> float:
        return float("inf")


def _get(algorithm: Any) -> float:
    try:
        return vars(algorithm)["unsup_warm_up"]
    except KeyError:
        raise AttributeError(f"{type(algorithm).__name__!r} object has no attribute 'unsup_warm_up'") from None


def _set(algorithm: Any, value: float) -> None:
    vars(algorithm)["unsup_warm_up"] = NoWarmUp(0) if value == 0 else value


def apply() -> None:
    """Make ``unsup_warm_up`` of every algorithm a property."""
    replace(AlgorithmBase, "unsup_warm_up", property(_get, _set))
