"""The host's imbalanced algorithms around a wrapped one, and on a single device.

What is wrong: ``imb_algorithms/adsh``, ``tras``, ``debiaspl`` and ``cossl`` compare ``args.algorithm`` with the names
of the host's own algorithms; ``abc``, ``tras`` and ``cossl`` reach into ``model.module``, which there is only under
``DataParallel`` or DDP. How it shows: ``fixmatch_ns3l`` is refused where ``fixmatch`` is taken; AttributeError with
``--gpu 0`` or on the CPU. How it is mended: while such an algorithm runs, ``args.algorithm`` is the name of the
algorithm inside our wrappers; a model that no parallel wrapper holds gets one that only passes on. When it may go:
when the host asks for a class instead of a name, and unwraps its model.
"""

from __future__ import annotations

import functools
from typing import Any

from semilearn import imb_algorithms
from semilearn.core.utils import ALGORITHMS, IMB_ALGORITHMS, misc
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from usb_negsamp.host.patching import replace_everywhere


class SingleDevice(nn.Module):
    """Holds a model as ``module``, as the parallel wrappers do, and calls it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """The output of the model."""
        return self.module(*inputs, **options)


def apply() -> None:
    """Replace ``get_imb_algorithm`` and wrap ``send_model_cuda``."""
    original_builder = imb_algorithms.get_imb_algorithm
    original_send = misc.send_model_cuda

    def get_imb_algorithm(args: Any, net_builder: Any, tb_log: Any, logger: Any) -> Any:
        base = ALGORITHMS[args.algorithm]
        composed = type(f"{args.imb_algorithm}_{args.algorithm}", (IMB_ALGORITHMS[args.imb_algorithm], base), {})
        args.algorithm = getattr(base, "base_name", args.algorithm)
        return composed(args=args, net_builder=net_builder, tb_log=tb_log, logger=logger)

    @functools.wraps(original_send)
    def send_model_cuda(args: Any, model: nn.Module, *rest: Any, **options: Any) -> nn.Module:
        sent = original_send(args, model, *rest, **options)
        bare = not isinstance(sent, (DataParallel, DistributedDataParallel))
        return SingleDevice(sent) if bare and getattr(args, "imb_algorithm", None) else sent

    replace_everywhere(original_builder, get_imb_algorithm)
    replace_everywhere(original_send, send_model_cuda)
