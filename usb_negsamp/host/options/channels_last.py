"""How the images of a batch lie in memory: ``channels_last: true``.

Convolutions, batch norms and poolings of PyTorch are faster on batches that have the channels of a pixel side by side;
on a GPU in mixed precision the tensor cores ask for it. The numbers are the same up to rounding. Only the weights of
two-dimensional convolutions are laid out anew: the first of them passes the order on to all that follows, so that
networks of text and sound are as they were.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from semilearn.core import AlgorithmBase

from usb_negsamp.host.patching import replace


def in_channels_last(net_builder: Callable[..., torch.nn.Module]) -> Callable[..., torch.nn.Module]:
    """``net_builder``, with the weights of the networks it builds laid out channels last."""

    @functools.wraps(net_builder)
    def build(*args: Any, **kwargs: Any) -> torch.nn.Module:
        network = net_builder(*args, **kwargs)
        # PyTorch's declaration of ``to`` has no overload with the memory format alone.
        laid_out: torch.nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return laid_out

    return build


def apply() -> None:
    """Wrap ``AlgorithmBase.__init__``, which takes the builder of all networks of a run."""
    original = AlgorithmBase.__init__

    @functools.wraps(original)
    def __init__(self: Any, args: Any, net_builder: Any, *more: Any, **options: Any) -> None:
        if getattr(args, "channels_last", False):
            net_builder = in_channels_last(net_builder)
        original(self, args, net_builder, *more, **options)

    replace(AlgorithmBase, "__init__", __init__)
