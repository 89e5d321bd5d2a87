"""Masks on the weights of a network, by ``torch.nn.utils.parametrize``: put on, learned, taken off, folded in.

A mask multiplies the effective weight, so it stands on top of other parametrizations (weight normalization). What is
masked: the trained weights of convolutions and linear layers that the logits depend on; no bias, no normalization, no
projection head that only a training loss reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import hard_mask, soft_mask


class Mask(nn.Module):
    """Multiplies a weight by a mask: the one that was settled last or, while it learns, that of the present scores.

    Args:
        kept: (of the weight's shape) bool, true where the weight is safe.
        scores: the relaxed mask, floating, of the same shape.
        ratio: p^l, the share that a hard mask keeps.
        soft: whether the mask is relu(scores) (equation 10) instead of the top ``ratio`` of them (equation 9).
    """

    scores: Tensor
    mask: Tensor

    def __init__(self, kept: Tensor, scores: Tensor, ratio: float, *, soft: bool) -> None:
        super().__init__()
        # Buffers: an average of the parameters, a clipped norm or a regularizer of the host must not meet them.
        self.register_buffer("scores", scores)
        self.register_buffer("mask", kept.to(scores.dtype))
        self.ratio = ratio
        self.soft = soft
        self.learning = False

    def forward(self, weight: Tensor) -> Tensor:
        """Return the masked weight."""
        mask = self.of_scores() if self.learning else self.mask
        return weight * mask.to(weight.dtype)

    def of_scores(self) -> Tensor:
        """The mask that the present scores give, with a gradient to them."""
        return soft_mask(self.scores) if self.soft else hard_mask(self.scores, self.ratio)

    @torch.no_grad()
    def settle(self) -> None:
        """Take over the mask of the scores, which a hard mask keeps in [0, 1]."""
        if not self.soft:
            self.scores.clamp_(0.0, 1.0)
        self.mask.copy_(self.of_scores())

    @property
    def kept(self) -> Tensor:
        """True at the safe weights."""
        return self.mask > 0


def maskable_layers(network: nn.Module, images: Any, *, with_head: bool) -> list[str]:
    """Paths of the convolutions and linear layers on whose weights the logits of ``images`` depend, in calling order.

    Args:
        network: returns ``{"logits": (N, K), ...}``; left as it was.
        images: a batch of one input or more.
        with_head: whether the last of them, which makes the logits, is among them.

    Raises:
        ConfigError: there is none; one has a weight that is made anew in each pass (the old weight normalization).
    """
    candidates = {name: layer for name, layer in network.named_modules() if isinstance(layer, (_ConvNd, nn.Linear))}
    called: dict[str, nn.Module] = {}
    handles = [
        layer.register_forward_hook(lambda *_, name=name, layer=layer: called.setdefault(name, layer) and None)
        for name, layer in candidates.items()
    ]
    was_training = network.training
    network.eval()
    try:
        with torch.enable_grad():
            logits = network(images)["logits"]
        for name in called:
            if not (parametrize.is_parametrized(called[name], "weight") or "weight" in called[name]._parameters):
                raise ConfigError(
                    f"spl: expected the weight of {name} to be a parameter or under torch.nn.utils.parametrize, "
                    "but got one that is made anew in each pass (torch.nn.utils.weight_norm)"
                )
        names = [name for name in called if next(_originals(called[name])).requires_grad]
        sources = [next(_originals(called[name])) for name in names]
        gradients = torch.autograd.grad(logits.sum(), sources, allow_unused=True) if sources else ()
    finally:
        network.train(was_training)
        for handle in handles:
            handle.remove()
    needed = [name for name, gradient in zip(names, gradients, strict=True) if gradient is not None]
    layers = needed if with_head else needed[:-1]
    if not layers:
        raise ConfigError(
            "spl: nothing to mask: expected a network with convolutions or linear layers before its logits"
            + ("" if with_head else " and their last layer (spl_mask_head is false)")
            + f", but got {type(network).__name__}"
        )
    return layers


def weight_of(layer: nn.Module) -> Tensor:
    """The effective weight of a layer, without gradient."""
    with torch.no_grad():
        return layer.weight.detach()  # type: ignore[operator]


def put_on(network: nn.Module, masks: Mapping[str, Mask]) -> None:
    """Mask the weights of the layers at the paths ``masks`` names."""
    for path, mask in masks.items():
        parametrize.register_parametrization(network.get_submodule(path), "weight", mask)


def take_off(network: nn.Module, masks: Mapping[str, Mask]) -> None:
    """Take the masks off; weights that they did not use are as they were."""
    for path in masks:
        layer = network.get_submodule(path)
        stack: Any = layer.parametrizations["weight"]  # type: ignore[index]
        if len(stack) > 1:
            del stack[-1]
        else:
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=False)


@torch.no_grad()
def fold(network: nn.Module, masks: Mapping[str, Mask]) -> None:
    """Take the masks off and leave their zeros in the weights: the plain network that predicts the same.

    Exact for plain weights; under weight normalization up to rounding.

    Raises:
        ConfigError: another parametrization, under which no weight can be set to zero.
    """
    for path, mask in masks.items():
        layer = network.get_submodule(path)
        masked = weight_of(layer).clone()
        take_off(network, {path: mask})
        if not parametrize.is_parametrized(layer, "weight"):
            layer.weight.copy_(masked)  # type: ignore[operator]
            continue
        _fold_under_weight_norm(path, layer, masked)


def _fold_under_weight_norm(path: str, layer: nn.Module, masked: Tensor) -> None:
    """Set length and direction of weight normalization so that the effective weight is ``masked``."""
    stack: Any = layer.parametrizations["weight"]  # type: ignore[index]
    if stack.ntensors != 2:
        raise ConfigError(f"spl: cannot fold a mask into {path}, whose weight is under {type(stack[0]).__name__}")
    direction = stack.original1.clone()
    layer.weight = masked
    # A direction of length zero has no unit vector: where a whole filter is masked its old one stays, at length zero.
    empty = (stack.original0 == 0).expand_as(direction)
    stack.original1.copy_(torch.where(empty, direction, stack.original1))


def stored_tensors(layer: nn.Module) -> list[nn.Parameter]:
    """The parameters of a masked layer that have an entry for each of the mask's: the weight, or its direction."""
    shape = weight_of(layer).shape
    return [tensor for tensor in _originals(layer) if tensor.shape == shape]


def _originals(layer: nn.Module) -> Any:
    """The parameters that the layer's weight is made of, that of the weight's shape first."""
    if not parametrize.is_parametrized(layer, "weight"):
        yield layer.weight
        return
    stack: Any = layer.parametrizations["weight"]  # type: ignore[index]
    yield from reversed(list(stack.parameters(recurse=False)))
