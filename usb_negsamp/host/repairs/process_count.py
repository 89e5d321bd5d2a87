"""The number of processes on a node where there is no GPU (V8, V10).

What is wrong: ``core/algorithmbase.py`` takes ``torch.cuda.device_count()`` for the number of processes on the node,
and ``core/hooks/{checkpoint,logging,evaluation}.py`` compute ``rank % ngpus_per_node`` with it. How it shows:
ZeroDivisionError without a GPU. How it is mended: on the CPU the number is that of the processes torchrun started on
this node, at least 1. When it may go: when the host asks the process group.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from semilearn.core import AlgorithmBase

from usb_negsamp.host import device
from usb_negsamp.host.patching import replace


def apply() -> None:
    """Wrap ``AlgorithmBase.__init__``."""
    original = AlgorithmBase.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        on_cpu = device.selected().type == "cpu"
        if on_cpu:
            # Nobody need have selected anything: a script of the host's own that trains where there is no GPU.
            device.select("cpu")
        original(self, *args, **kwargs)
        if on_cpu:
            self.ngpus_per_node = int(os.environ.get("LOCAL_WORLD_SIZE", self.world_size)) if self.distributed else 1

    replace(AlgorithmBase, "__init__", __init__)
