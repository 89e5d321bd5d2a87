"""Further ways of NS3L's gate, for ``studies/gate.yaml`` and ``gate_variants.yaml`` beside the package's: a plugin.

    usb-negsamp train --plugin benchmarks/gate_variants.py:register --algorithm fixmatch_variant ...

``fixmatch_variant`` and ``vat_variant`` are ``fixmatch_ns3l`` and ``vat_ns3l`` with the keys of
:class:`VariantSettings`; at their defaults they are those.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.ns3l import NS3LHook, NS3LWrapper
from usb_negsamp.algorithms.ns3l.gate import LABELED, Features, Weigher
from usb_negsamp.algorithms.ns3l.neighbor_gate import NeighborGate
from usb_negsamp.algorithms.ns3l.plain_features import averaged_output
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.errors import expected
from usb_negsamp.functional import threshold_negatives
from usb_negsamp.functional.gate import directions
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW
from usb_negsamp.host.wrapping.wrapper import compose
from usb_negsamp.key import BELOW_ONE, POSITIVE
from usb_negsamp.settings import setting

BASES = ("fixmatch", "vat")


@dataclass(frozen=True)
class VariantSettings(NS3LSettings, prefix="ns3l"):
    """The keys of NS3L, and those of the variants."""

    start: float = setting(float, 0.0, "share of the training before which there is no NS3L loss", range=BELOW_ONE)
    gate_power: float = setting(float, 1.0, "power that a weight is raised to", range=POSITIVE)
    gate_by_class: bool = setting(bool, False, "compare with labeled images of the nearest one's class alone")
    gate_class_agrees: bool = setting(
        bool, False, "an image counts where the averaged network's class is that of the nearest labeled image"
    )
    agreed_negatives: bool = setting(
        bool, False, "a class is a negative where the averaged network says so of the plain image, too"
    )


class VariantGate(NeighborGate):
    """The gate with what the settings change of it; it looks at the output of a pass that the hook has made."""

    output: dict[str, Tensor]

    def __init__(self, settings: VariantSettings, labels: Tensor, num_unlabeled: int) -> None:
        super().__init__(settings, len(labels), num_unlabeled)
        self.settings, self.labels = settings, labels

    def weigher(self, features: Features) -> Weigher:
        """What makes weights by the labeled images' ``features``."""
        labeled, plain = features[LABELED], super().weigher(features)

        def weights(of_images: Tensor, places: Tensor | None) -> Tensor:
            by_class = self.settings.gate_by_class
            counts = self._by_class(of_images, labeled) if by_class else plain(of_images, places)
            if self.settings.gate_class_agrees:
                nearest = (directions(of_images) @ labeled.T).argmax(dim=1)
                counts = counts * (self.output["logits"].argmax(dim=1) == self.labels[nearest])
            return counts**self.settings.gate_power

        return weights

    def _by_class(self, of_images: Tensor, labeled: Tensor) -> Tensor:
        cosines = directions(of_images) @ labeled.T
        same = self.labels.unsqueeze(0) == self.labels.unsqueeze(1)
        others = (labeled @ labeled.T).masked_fill(~same, -1.0).fill_diagonal_(-1.0).amax(dim=1)
        nearest, place = cosines.max(dim=1)
        of_class = same[place]
        share = ((others.unsqueeze(0) <= nearest.unsqueeze(1)) & of_class).sum(dim=1) / of_class.sum(dim=1)
        return (self.scale * share).clamp(max=1.0)


class VariantHook(NS3LHook):
    """NS3L's loss from a later start, and with negatives that the averaged network agrees on."""

    settings: VariantSettings

    def after_train_step(self, algorithm: NS3LWrapper) -> None:
        """Add the loss once it has started."""
        if algorithm.it >= self.settings.start * algorithm.num_train_iter:
            super().after_train_step(algorithm)

    def logits_and_negatives(self, algorithm: NS3LWrapper) -> tuple[Tensor, Tensor]:
        """Logits (N, K), and the negatives (N, K) that both networks see, if that is asked for."""
        logits, negatives = super().logits_and_negatives(algorithm)
        asks = isinstance(self.gate, VariantGate) and self.settings.gate_class_agrees
        if self.settings.agreed_negatives or asks:
            output = averaged_output(algorithm, algorithm.batch[PLAIN_VIEW])
            if isinstance(self.gate, VariantGate):
                self.gate.output = output
            if self.settings.agreed_negatives:
                probs = torch.softmax(output["logits"].float(), dim=1)
                negatives = negatives & threshold_negatives(probs, self.settings.threshold)
        return logits, negatives


class VariantWrapper(NS3LWrapper):
    """NS3L with the variants' keys."""

    settings_class = VariantSettings

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Those of NS3L, and the plain view."""
        return (*super().views_needed(args), PLAIN_VIEW)

    def make_ns3l_hook(self, settings: NS3LSettings) -> VariantHook:
        """The hook that adds the loss."""
        own = VariantSettings.from_arguments(self.args)
        assert isinstance(own, VariantSettings)
        if own.gate == "neighbors":
            return VariantHook(own, VariantGate(own, _labels(self), self.args.batch_size * self.args.uratio))
        if own.gate_by_class or own.gate_class_agrees or own.gate_power != 1.0:
            raise expected("ns3l_gate", "neighbors for its variants by class or power", own.gate)
        return VariantHook(own, self.make_gate(own))


def _labels(algorithm: HostAlgorithm) -> Tensor:
    return torch.as_tensor(algorithm.dataset_dict["train_lb"].targets).long()


def register() -> None:
    """Add the variants to the host's registry."""
    for base in BASES:
        name = f"{base}_variant"
        if name not in ALGORITHMS:
            ALGORITHMS[name] = compose(ALGORITHMS[base], name, base, VariantWrapper)
