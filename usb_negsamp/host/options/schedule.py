"""How the learning rate falls: ``lr_schedule: cosine | step | constant | cosine_to_zero | rise_and_fall``.

======================  ==============================================================================================
``cosine``              cos(7/16 pi t), t being the share of the training that has passed; the host's own, ends at 0.195
``step``                ``lr_decay_factor`` to the power of the iterations of ``lr_decay_iters`` that have passed;
                        Oliver et al. (2018): 0.2 at 400,000 of 500,000, NS3L: 0.2 at 130,000 of 200,000
``constant``            1, as MixMatch
``cosine_to_zero``      (1 + cos(pi t)) / 2, as Dual Student and DNLL
``rise_and_fall``       exp(-5 (1 - t / (80/300))^2) up to t = 80/300, and times exp(-12.5 s^2) with s the share that
                        has passed of the last 50/300, as Temporal Ensembling
======================  ==============================================================================================

All are preceded by the host's linear warm-up over ``num_warmup_iter``. The host's ``AlgorithmBase.set_optimizer``
knows the first alone. A resumed run takes its place in the schedule from the checkpoint, the schedule from its
configuration.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from semilearn.core import AlgorithmBase, ImbAlgorithmBase
from torch.optim.lr_scheduler import LambdaLR

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.functional import linear_ramp, sigmoid_ramp
from usb_negsamp.host.patching import replace
from usb_negsamp.value_types import whole_numbers

NAMES = ("cosine", "step", "constant", "cosine_to_zero", "rise_and_fall")
RISE, FALL = 80 / 300, 50 / 300
"""Shares of the training; 80 and 50 of 300 epochs in the paper of Temporal Ensembling."""
DECAY_FACTOR = 0.2


def rate_after_warm_up(args: Any) -> Callable[[int], float]:
    """Factor of the learning rate at an iteration past the warm-up, for every schedule but the host's.

    Raises:
        ConfigError: no such schedule, or steps without iterations to take them at.
    """
    name = args.lr_schedule
    first, steps = args.num_warmup_iter, max(1, args.num_train_iter - args.num_warmup_iter)
    if name == "constant":
        return lambda iteration: 1.0
    if name == "cosine_to_zero":
        return lambda iteration: 0.5 * (1.0 + math.cos(math.pi * min(1.0, (iteration - first) / steps)))
    if name == "rise_and_fall":
        return lambda iteration: _rise_and_fall((iteration - first) / steps)
    if name != "step":
        raise unknown("lr_schedule", name, NAMES)
    drops = whole_numbers(getattr(args, "lr_decay_iters", None) or [])
    if not drops:
        raise ConfigError("lr_schedule: step needs lr_decay_iters, the iterations at which the learning rate drops")
    factor = float(getattr(args, "lr_decay_factor", DECAY_FACTOR))
    return lambda iteration: factor ** sum(iteration >= drop for drop in drops)


def _rise_and_fall(passed: float) -> float:
    """Factor where a share of the training has ``passed``."""
    return sigmoid_ramp(passed / RISE) * math.exp(-12.5 * linear_ramp(1.0 - (1.0 - passed) / FALL) ** 2)


def scheduler_of(args: Any, optimizer: Any, hosts: Any) -> Any:
    """The scheduler that ``args`` ask for; ``hosts`` where that is the host's own.

    Raises:
        ConfigError: as :func:`rate_after_warm_up`.
    """
    if getattr(args, "lr_schedule", "cosine") == "cosine":
        return hosts
    rate, first = rate_after_warm_up(args), args.num_warmup_iter
    return LambdaLR(optimizer, lambda iteration: iteration / first if iteration < first else rate(iteration))


def apply() -> None:
    """Wrap ``set_optimizer`` of the host's two base classes."""

    def scheduled(original: Callable[[Any], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        @functools.wraps(original)
        def set_optimizer(self: Any) -> tuple[Any, Any]:
            optimizer, scheduler = original(self)
            return optimizer, scheduler_of(self.args, optimizer, scheduler)

        return set_optimizer

    for base in (AlgorithmBase, ImbAlgorithmBase):
        replace(base, "set_optimizer", scheduled(base.set_optimizer))
