"""Batches that reach the GPU without a wait.

What is wrong: ``core/algorithmbase.py`` ``process_batch`` copies each tensor of a batch by ``.cuda(gpu)``, which waits
until all that was given to the GPU before is done. How it shows: four waits a step and more, so that the launches of a
step never run ahead of the one before. How it is mended: the copies are asked for without waiting
(``non_blocking``), from the pinned memory that the loaders of ``seeded_loading`` leave them in; what an algorithm has
put together itself (CRMatch's images in four directions) is pinned first. When it may go: when the host's copies do
not wait.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any

from semilearn.core import AlgorithmBase
from torch import Tensor

from usb_negsamp.host import device
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace
from usb_negsamp.host.transfer import pinned


@functools.lru_cache(maxsize=128)
def parameter_names(function: Callable[..., Any]) -> frozenset[str]:
    """Names of the parameters of ``function``, of a method with ``self``; looking them up takes as long as a launch."""
    return frozenset(inspect.signature(function).parameters)


def process_batch(self: HostAlgorithm, input_args: Collection[str] | None = None, **kwargs: Any) -> dict[str, Any]:
    """The entries of a batch that are there and in ``input_args`` (the train step's parameters), on the device."""
    # A bound method is another object each time it is asked for.
    step = getattr(self.train_step, "__func__", self.train_step)
    wanted = parameter_names(step) if input_args is None else input_args
    return {
        key: {name: _on_the_gpu(item, self.gpu) for name, item in value.items()}
        if isinstance(value, dict)
        else _on_the_gpu(value, self.gpu)
        for key, value in kwargs.items()
        if key in wanted and value is not None
    }


def _on_the_gpu(value: Any, gpu: int | None) -> Any:
    there = pinned(value) if device.selected().type == "cuda" and isinstance(value, Tensor) else value
    return there.cuda(gpu, non_blocking=True)


def apply() -> None:
    """Replace ``AlgorithmBase.process_batch``."""
    replace(AlgorithmBase, "process_batch", process_batch)
