"""What a hook that adds a loss asks of an iteration: how much the loss counts, and whether figures are logged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from usb_negsamp.functional import sigmoid_ramp
from usb_negsamp.host.algorithm import HostAlgorithm

if TYPE_CHECKING:
    from usb_negsamp.host.wrapping.wrapper import Wrapper


def ramp_at(algorithm: HostAlgorithm, share: float, shape: Callable[[float], float] = sigmoid_ramp) -> float:
    """The share of a loss weight that counts at the present iteration.

    Args:
        algorithm: at the iteration ``it`` of ``num_train_iter``.
        share: of the training over which the weight ramps up; 0 is full weight at once.
        shape: the part of the ramp that has passed, from 0 on, to the share of the weight.

    >>> from types import SimpleNamespace
    >>> ramp_at(SimpleNamespace(it=5, num_train_iter=100), 0.1, shape=lambda t: t)
    0.5
    >>> ramp_at(SimpleNamespace(it=0, num_train_iter=100), 0.0)
    1.0
    """
    iterations = share * algorithm.num_train_iter
    return shape(algorithm.it / iterations) if iterations > 0 else 1.0


def iterations_of(share: float, num_train_iter: int) -> int:
    """A share of the training as a number of iterations, rounded up, so that a short run has all parts of a long one.

    >>> iterations_of(10 / 512, 524_288), iterations_of(0.02, 8), iterations_of(0.0, 8)
    (10240, 1, 0)
    """
    return math.ceil(share * num_train_iter - 1e-9)


def step_number(algorithm: Wrapper) -> int:
    """What keys the draws of the present step: its iteration, and on after the last one, where ``it`` stands still."""
    return int(algorithm.it) + int(algorithm.steps_after_training)


def is_logged(algorithm: HostAlgorithm) -> bool:
    """Whether the figures of the present iteration are logged."""
    return any(n > 0 and (algorithm.it + 1) % n == 0 for n in (algorithm.num_log_iter, algorithm.num_eval_iter))


def log_total(algorithm: HostAlgorithm) -> None:
    """Let the logged total, where there is one, be that of all losses."""
    if "train/total_loss" in algorithm.log_dict:
        algorithm.log_dict["train/total_loss"] = algorithm.out_dict["loss"].detach()
