"""Hooks that act at the end of an epoch; MultiMatch (table of algorithms).

What is wrong: ``core/hooks/hook.py`` ``Hook.end_of_epoch`` reads ``algorithm.data_loader``, which is called
``loader_dict``, and computes ``it + 1 % length``. How it shows: MultiMatch of the host's main branch fails in its first
step with its default ``num_recalibrate_iter: 0``. How it is mended: the method says what its name says. When it may go:
when the host's does.
"""

from __future__ import annotations

from typing import Any

from semilearn.core.hooks import Hook

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace


def apply() -> None:
    """Replace ``Hook.end_of_epoch``."""

    def end_of_epoch(self: Any, algorithm: HostAlgorithm) -> bool:
        return (algorithm.it + 1) % len(algorithm.loader_dict["train_lb"]) == 0

    replace(Hook, "end_of_epoch", end_of_epoch)
