"""Passes that leave the running statistics of batch norms alone (B20).

What is wrong: ``core/utils/misc.py`` ``Bn_Controller`` clones and puts back the buffers of 2d and synchronized batch
norms only, and asserts that it has nothing to put back. How it shows: 1d and 3d batch norms learn from the unlabeled
passes; 75 copies a pass; after an exception between freeze and unfreeze, AssertionError in every step that follows. How
it is mended: a frozen batch norm in training mode uses the batch's statistics and does not see its buffers
(``track_running_stats`` off), which gives the same outputs; what an exception left frozen is thawed where the next
batch is taken. When it may go: when the host does the same.
"""

from __future__ import annotations

import functools
from typing import Any

from semilearn.core import AlgorithmBase
from semilearn.core.utils.misc import Bn_Controller
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from usb_negsamp.host.patching import replace


def thaw(controller: Any) -> None:
    """Let every batch norm that ``controller`` froze see its running statistics again."""
    for module in controller.backup.values():
        module.track_running_stats = True
    controller.backup = {}


def apply() -> None:
    """Replace the methods of ``Bn_Controller``; thaw what is left over at ``AlgorithmBase.process_batch``."""

    def freeze_bn(self: Any, model: nn.Module) -> None:
        thaw(self)
        for name, module in model.named_modules():
            if isinstance(module, _BatchNorm) and module.track_running_stats:
                module.track_running_stats = False
                self.backup[name] = module

    def unfreeze_bn(self: Any, model: nn.Module | None = None) -> None:
        thaw(self)

    replace(Bn_Controller, "freeze_bn", freeze_bn)
    replace(Bn_Controller, "unfreeze_bn", unfreeze_bn)

    process_batch_of_host = AlgorithmBase.process_batch

    @functools.wraps(process_batch_of_host)
    def process_batch(self: Any, *args: Any, **kwargs: Any) -> Any:
        controller = getattr(self, "bn_controller", None)
        if controller is not None:
            thaw(controller)
        return process_batch_of_host(self, *args, **kwargs)

    replace(AlgorithmBase, "process_batch", process_batch)
