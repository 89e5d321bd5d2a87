"""Heads beside a network's classifier: further outputs that are made of the same features.

The network stays what it is: its class, its options and the names of its parameters. The heads are one module of it,
``extra_heads``, so that whatever goes over a network's parameters and buffers (optimizer, moving average, checkpoints,
parallel wrappers) has them, too, and what they make stands in the dictionary that the forward pass returns.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from usb_negsamp.errors import ConfigError

MakeHeads = Callable[[int, int], "Heads"]
"""Length of a feature vector and number of classes to heads."""
ATTRIBUTE = "extra_heads"


class Heads(nn.Module):
    """Base of what is put beside a classifier: features (N, D) to entries of the network's output by their names."""

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return the entries."""
        raise NotImplementedError


def add_heads(network: nn.Module, heads: Heads) -> nn.Module:
    """Let each full forward pass of ``network`` return what ``heads`` make of its features beside its own entries.

    Passes that return features or logits alone (``only_feat``, ``only_fc``) are as before.

    Args:
        network: returns ``{"logits": ..., "feat": (N, D)}``.
        heads: takes (N, D).

    Returns:
        the same network.
    """
    network.add_module(ATTRIBUTE, heads)
    network.register_forward_hook(_add_entries)
    return network


def with_heads(net_builder: Callable[..., nn.Module], make_heads: MakeHeads) -> Callable[..., nn.Module]:
    """``net_builder``, with heads beside the classifier of each network that it builds.

    An algorithm hands this on to its base in its constructor: the host builds the network, that of the averaged weights
    and those of a new generation by it, so that all have the heads. They are made after the network, which starts from
    the weights that it would have without them.
    """

    @functools.wraps(net_builder)
    def build(*args: Any, **options: Any) -> nn.Module:
        network = net_builder(*args, **options)
        length = getattr(network, "num_features", None)
        if not isinstance(length, int):
            raise ConfigError(
                f"net: expected a network that says how long its features are (num_features), which a head beside its "
                f"classifier is made for, but {type(network).__name__} does not"
            )
        return add_heads(network, make_heads(length, options["num_classes"]))

    return build


def _add_entries(network: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    if not isinstance(output, dict) or "logits" not in output:
        return output
    heads: Heads = getattr(network, ATTRIBUTE)
    return {**output, **heads(output["feat"])}
