"""The shape of the warm-up of the unlabeled loss, without a copy of any algorithm's step.

pimodel, meanteacher, pseudolabel, vat, mixmatch and remixmatch of the host weight their unlabeled loss with ``it /
(unsup_warm_up * num_train_iter)``, clipped to [0, 1]. A number that divides in its own way gives that quotient any
shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from usb_negsamp.functional.ramps import linear_ramp
from usb_negsamp.host.algorithm import HostAlgorithm

Ramp = Callable[[float], float]


class WarmUp(float):
    """A share of the training; a step divided by its product with a number of steps is ``ramp`` of the share passed.

    >>> 50 / (WarmUp(0.25, linear_ramp) * 1000)
    0.2
    >>> 0 / (WarmUp(0.0, linear_ramp) * 1000)
    1.0
    >>> WarmUp(0.25, linear_ramp) == 0.25
    True
    """

    ramp: Ramp

    def __new__(cls, share: float, ramp: Ramp) -> WarmUp:
        number = super().__new__(cls, share)
        number.ramp = ramp
        return number

    def __mul__(self, steps: float) -> WarmUp:
        return WarmUp(float(self) * steps, self.ramp)

    __rmul__ = __mul__

    def __rtruediv__(self, step: float) -> float:
        return self.ramp(step / float(self) if self else float("inf"))


def warm_up_property(ramp_of: Callable[[Any], Ramp]) -> property:
    """The attribute ``unsup_warm_up`` of an algorithm, whose shape ``ramp_of(algorithm)`` decides when it is set.

    A linear warm-up that is not 0 stays the plain number that the host divides by itself.
    """

    def get(algorithm: HostAlgorithm) -> float:
        try:
            share: float = vars(algorithm)["unsup_warm_up"]
        except KeyError:
            raise AttributeError(f"{type(algorithm).__name__!r} object has no attribute 'unsup_warm_up'") from None
        return share

    def put(algorithm: HostAlgorithm, share: float) -> None:
        ramp = ramp_of(algorithm)
        vars(algorithm)["unsup_warm_up"] = share if ramp is linear_ramp and share != 0 else WarmUp(share, ramp)

    return property(get, put)
