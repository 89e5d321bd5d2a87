"""The hook by which two networks teach each other what a sample is not (Xu et al., DNLL, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.dnll.diagnosis import negative_figures
from usb_negsamp.functional import ErrorPerception, pseudo_negative_labels, pseudo_negative_loss, sigmoid_ramp
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.wrapping.among_processes import drawn_together, summed
from usb_negsamp.host.wrapping.iteration import is_logged, log_total, ramp_at, step_number
from usb_negsamp.host.wrapping.peer import PairHook

_STREAM = 0xD9


class DNLLHook(PairHook):
    """Adds ``ramp * (weight * cross + self_weight * self)`` to the losses of both networks (equations 14 to 21).

    Network i draws m classes that are not its pseudo label argmax f_i(label view), which carries no gradient. ``cross``
    is the other network's loss on them, ``self`` its own, both on the loss view. With both weights 0 nothing is
    computed or drawn.

    Args:
        num_negatives: m, in 1..K-1.
        weight: lambda, of the cross loss.
        self_weight: of the self loss; equation 18 has both with the same weight.
        ramp: share of the training over which both weights grow; 0 is full weight at once.
        label_view: batch key of the view that pseudo labels are taken from.
        loss_view: batch key of the view that the loss is taken on.
        reduction: ``mean`` or ``sum`` over the m negatives of a sample.
        seed: of the draws of negatives, which follow from it and the step's number alone.
        perceptions: none for equal probability. Else the error perceptions of the first and the second network, which
            this hook keeps up to date: negatives are drawn by the row of the network that learns them, which with
            ``weight`` 0 is the one that made them.
        ramp_shape: how the weights grow, from the share of the ramp that has passed to that of the weight.
    """

    def __init__(
        self,
        num_negatives: int,
        weight: float,
        self_weight: float,
        ramp: float,
        label_view: str,
        loss_view: str,
        reduction: str,
        seed: int,
        perceptions: tuple[ErrorPerception, ErrorPerception] | None = None,
        ramp_shape: Callable[[float], float] = sigmoid_ramp,
    ) -> None:
        super().__init__()
        self.num_negatives = num_negatives
        self.weight = weight
        self.self_weight = self_weight
        self.ramp = ramp
        self.ramp_shape = ramp_shape
        self.label_view = label_view
        self.loss_view = loss_view
        self.reduction = reduction
        self.seed = seed
        self.perceptions = perceptions

    def couple(self, first: Any, peer: Any) -> None:
        """Add the losses, and at logged iterations their figures."""
        if self.weight == 0.0 and self.self_weight == 0.0:
            return
        networks = (first, peer)
        labels = [network.logits_of(self.label_view, with_grad=False).argmax(dim=1) for network in networks]
        if self.perceptions is not None:
            self.perceive(networks)
        negatives = self.draw(labels, first)
        logits = [network.logits_of(self.loss_view, with_grad=True) for network in networks]
        ramp = ramp_at(first, self.ramp, self.ramp_shape)
        figures: dict[str, Tensor] = {}
        for i, network in enumerate(networks):
            total = network.out_dict["loss"]
            for name, weight, taught in (
                ("cross", self.weight, negatives[1 - i]),
                ("self", self.self_weight, negatives[i]),
            ):
                if weight > 0.0:
                    loss = pseudo_negative_loss(logits[i], taught, per_sample=self.reduction)
                    total = total + ramp * weight * loss
                    figures.setdefault(f"train/dnll_{name}_loss", loss.detach())
            network.out_dict["loss"] = total
        if is_logged(first):
            figures["train/dnll_agreement"] = (labels[0] == labels[1]).float().mean()
            figures["train/dnll_peer_loss"] = peer.out_dict["loss"].detach()
            figures.update(negative_figures(first, labels, negatives))
            first.log_dict.update(figures)
            log_total(first)

    def perceive(self, networks: tuple[Any, Any]) -> None:
        """Take the step's labeled samples into both error perceptions, summed over the processes."""
        assert self.perceptions is not None
        for network, perception in zip(networks, self.perceptions, strict=True):
            logits = network.logits_of("x_lb", with_grad=False)
            perception.update(logits, network.batch["y_lb"], reduce=partial(summed, algorithm=networks[0]))

    def draw(self, labels: list[Tensor], algorithm: Any) -> list[Tensor]:
        """The negatives (N, K) that each of the two networks makes of its pseudo ``labels`` (N,), as booleans."""
        generator = torch.Generator(labels[0].device).manual_seed(mix(self.seed, step_number(algorithm), _STREAM))
        drawn = []
        for sender, pseudo_labels in enumerate(labels):
            receiver = 1 - sender if self.weight > 0.0 else sender
            draw = partial(
                pseudo_negative_labels,
                num_classes=algorithm.num_classes,
                num_negatives=self.num_negatives,
                weights=None if self.perceptions is None else self.perceptions[receiver].weights(),
                generator=generator,
            )
            drawn.append(drawn_together(draw, pseudo_labels, algorithm))
        return drawn
