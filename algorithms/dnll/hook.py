"""The hook by which two networks teach each other what a sample is not (Xu et al., DNLL, section 3.3)."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from usb_negsamp.algorithms.dnll.diagnosis import negative_figures
from usb_negsamp.algorithms.dnll.settings import DNLLSettings
from usb_negsamp.functional import ErrorPerception, pseudo_negative_labels, pseudo_negative_loss
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.wrapping.among_processes import drawn_together, share_of, summed
from usb_negsamp.host.wrapping.iteration import is_logged, log_total, ramp_at, step_number
from usb_negsamp.host.wrapping.peer import PairHook, PairWrapper, Peer
from usb_negsamp.host.wrapping.wrapper import Wrapper

_STREAM = 0xD9


class DNLLHook(PairHook):
    """Adds ``ramp * (weight * cross + self_weight * self)`` to the losses of both networks (equations 14 to 21).

    Network i draws m classes that are not its pseudo label argmax f_i(label view), which carries no gradient. ``cross``
    is the other network's loss on them, ``self`` its own, both on the loss view. With both weights 0 nothing is
    computed or drawn.

    Args:
        settings: with a weight above 0, or the hook does nothing.
        label_view: batch key of the view that pseudo labels are taken from.
        loss_view: batch key of the view that the loss is taken on.
        seed: of the draws of negatives, which follow from it and the step's number alone, whatever the device.
        perceptions: none for equal probability. Else the error perceptions of the first and the second network, which
            this hook keeps up to date: negatives are drawn by the row of the network that learns them, which with
            ``weight`` 0 is the one that made them.
    """

    def __init__(
        self,
        settings: DNLLSettings,
        label_view: str,
        loss_view: str,
        seed: int,
        perceptions: tuple[ErrorPerception, ErrorPerception] | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.label_view = label_view
        self.loss_view = loss_view
        self.seed = seed
        self.perceptions = perceptions

    def couple(self, first: PairWrapper, peer: Peer) -> None:
        """Add the losses, and at logged iterations their figures."""
        if not self.settings.teaches:
            return
        networks = (first, peer)
        labels = [self.pseudo_labels(network) for network in networks]
        rows = self.rows_taught(networks, labels)
        if self.perceptions is not None:
            self.perceive(networks)
        negatives = self.draw(labels, first)
        logits = [self.learning_logits(network) for network in networks]
        ramp = ramp_at(first, self.settings.ramp, self.settings.ramp_of)
        figures: dict[str, Tensor] = {}
        for i, network in enumerate(networks):
            for name, weight, taught in (
                ("cross", self.settings.weight, negatives[1 - i]),
                ("self", self.settings.self_weight, negatives[i]),
            ):
                if weight > 0.0:
                    loss = self.loss(logits[i], taught, None if rows is None else rows[i], first)
                    network.out_dict["loss"] = network.out_dict["loss"] + ramp * weight * loss
                    figures.setdefault(f"train/dnll_{name}_loss", loss.detach())
        if is_logged(first):
            figures["train/dnll_agreement"] = (labels[0] == labels[1]).float().mean()
            figures["train/dnll_peer_loss"] = peer.out_dict["loss"].detach()
            if rows is not None:
                figures["train/dnll_share"] = rows[0].float().mean()
            # What network 1 - i made is learned by network i.
            figures.update(negative_figures(first, labels, negatives, None if rows is None else (rows[1], rows[0])))
            first.log_dict.update(figures)
            log_total(first)

    def pseudo_labels(self, network: Wrapper) -> Tensor:
        """The classes (N,) that ``network`` takes the unlabeled images for."""
        return network.logits_of(self.label_view, with_grad=False).argmax(dim=1)

    def learning_logits(self, network: Wrapper) -> Tensor:
        """The logits (N, K), with their gradient, on which ``network`` learns negatives."""
        return network.logits_of(self.loss_view, with_grad=True)

    def rows_taught(self, networks: tuple[PairWrapper, Peer], labels: list[Tensor]) -> list[Tensor] | None:
        """The samples (N,), bool, on which each network learns negatives; none: all."""
        return None

    def loss(self, logits: Tensor, negatives: Tensor, rows: Tensor | None, algorithm: HostAlgorithm) -> Tensor:
        """The mean pseudo-negative loss of all samples, or of the true ``rows`` (N,) of all processes."""
        if rows is None:
            return pseudo_negative_loss(logits, negatives, per_sample=self.settings.reduction)
        losses = pseudo_negative_loss(logits, negatives, reduction="none", per_sample=self.settings.reduction)
        return mean_of_rows(losses, rows, algorithm)

    def perceive(self, networks: tuple[PairWrapper, Peer]) -> None:
        """Take the step's labeled samples into both error perceptions, summed over the processes."""
        assert self.perceptions is not None
        for network, perception in zip(networks, self.perceptions, strict=True):
            logits = network.logits_of("x_lb", with_grad=False)
            perception.update(logits, network.batch["y_lb"], reduce=partial(summed, algorithm=networks[0]))

    def draw(self, labels: list[Tensor], algorithm: Wrapper) -> list[Tensor]:
        """The negatives (N, K) that each of the two networks makes of its pseudo ``labels`` (N,), as booleans."""
        generator = torch.Generator().manual_seed(mix(self.seed, step_number(algorithm), _STREAM))
        drawn = []
        for sender, pseudo_labels in enumerate(labels):
            receiver = 1 - sender if self.settings.weight > 0.0 else sender
            draw = partial(
                pseudo_negative_labels,
                num_classes=algorithm.num_classes,
                num_negatives=self.settings.num_negatives,
                weights=None if self.perceptions is None else self.perceptions[receiver].weights(),
                generator=generator,
            )
            drawn.append(drawn_together(draw, pseudo_labels, algorithm))
        return drawn


def mean_of_rows(losses: Tensor, rows: Tensor, algorithm: HostAlgorithm) -> Tensor:
    """Mean of ``losses`` (N,) over the true ``rows`` (N,) of all processes, 0 where there are none.

    The processes average their gradients: what each returns is its own sum over the mean number of rows.
    """
    count = summed(rows.sum().to(losses.dtype), algorithm) / share_of(algorithm)[1]
    return (losses * rows).sum() / count.clamp_min(1.0 / share_of(algorithm)[1])
