"""Training passes that a GPU is given at once: ``accelerate_graph: true``.

On a fast GPU a small network's kernels take less time than their launches. As CUDA graphs
(:mod:`usb_negsamp.host.wrapping.passes.captured_passes`) a pass there and a pass back are one launch each, of the very
kernels that ran before: the numbers are the same. The step stays the host's own, and so do hooks on the outermost
module, optimizer, averages and checkpoints.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from semilearn.core import AlgorithmBase
from torch import nn

from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.host import device
from usb_negsamp.host.patching import replace
from usb_negsamp.host.wrapping.passes.captured_passes import CapturedForward, CudaGraphs, is_plain


def in_graphs(net_builder: Callable[..., nn.Module], recorder: Any) -> Callable[..., nn.Module]:
    """``net_builder``, with networks whose training passes are captured by ``recorder`` and replayed."""

    @functools.wraps(net_builder)
    def build(*args: Any, **kwargs: Any) -> nn.Module:
        network = net_builder(*args, **kwargs)
        if not is_plain(network):
            raise ConfigError(
                f"accelerate_graph: expected a network without hooks and parametrizations inside, but "
                f"{type(network).__name__} has some, as weight normalization is one"
            )
        vars(network)["forward"] = CapturedForward(network, recorder)
        return network

    return build


def check(args: Any) -> None:
    """Refuse what no graph can hold.

    Raises:
        ConfigError: the device, several processes, or an option that looks into a pass.
    """
    if device.selected().type != "cuda":
        raise expected("accelerate_graph", "false on the CPU, which has no CUDA graphs", "true")
    if getattr(args, "distributed", False):
        raise expected("accelerate_graph", "false with several processes", "true")
    if getattr(args, "bn_update", "host") != "host":
        raise expected("accelerate_graph", f"false with bn_update {args.bn_update}, which looks into a pass", "true")


def apply() -> None:
    """Wrap ``AlgorithmBase.__init__``, which takes the builder of all networks of a run."""
    original = AlgorithmBase.__init__

    @functools.wraps(original)
    def __init__(self: Any, args: Any, net_builder: Any, *more: Any, **options: Any) -> None:
        if getattr(args, "accelerate_graph", False):
            check(args)
            net_builder = in_graphs(net_builder, CudaGraphs())
        original(self, args, net_builder, *more, **options)

    replace(AlgorithmBase, "__init__", __init__)
