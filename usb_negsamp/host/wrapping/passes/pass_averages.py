"""Running statistics of batch norms that are the average of all passes, every pass alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def averaging_passes(layers: Sequence[_BatchNorm]) -> Iterator[Counter[_BatchNorm]]:
    """Let the running statistics of ``layers`` start anew, and be averages over the passes that feed them in the block.

    PyTorch's own way, a momentum of None, gives the same bits, but asks the device for the number of each pass.

    Yields:
        how many passes have fed each layer so far.
    """
    passes: Counter[_BatchNorm] = Counter()
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        # Not by a hook: ``bn_update`` calls the forward itself.
        vars(layer)["forward"] = _counting(layer, passes)
    try:
        yield passes
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            del vars(layer)["forward"]
            layer.momentum = momentum


def _counting(layer: _BatchNorm, passes: Counter[_BatchNorm]) -> Any:
    own_forward = layer.forward

    def forward(input: Tensor) -> Tensor:
        if layer.training and layer.track_running_stats:
            passes[layer] += 1
            layer.momentum = 1.0 / passes[layer]
        normalized: Tensor = own_forward(input)
        return normalized

    return forward
