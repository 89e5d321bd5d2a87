"""What an unlabeled image's loss counts, by its density among labeled images and the pool's (``density_ratio``).

How near an image is to labeled ones says little where features are coarse: a truck is about as near to some labeled
animal as another animal is. That the pool is dense around it, and labels are not, says much more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from usb_negsamp.algorithms.ns3l.gate import (
    LABELED,
    NeighborGate,
    Weigher,
    directions_of,
    features_kept,
    labeled_directions,
    usual_interval,
)
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.errors import expected
from usb_negsamp.functional.density_ratio_gate import labeled_log_ratios, ratio_weights
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import network_of

if TYPE_CHECKING:
    from usb_negsamp.algorithms.ns3l.ns3l import NS3LWrapper

UNLABELED = "ns3l_unlabeled_features"
"""Entry of a checkpoint."""
_DRAW = 0x6B61
"""Tells this draw from others of the same seed."""


class DensityRatioGate(NeighborGate):
    """``density_ratio``: looks at as many images of the pool, too, as there are labeled ones, drawn once by the seed.

    Args:
        settings: ``gate_scale``, ``gate_temperature`` and ``gate_interval``.
        num_labeled: M, the number of labeled images.
        num_unlabeled: of a step, over all processes.
        pool_size: the number of unlabeled images; at least 2.
        seed: of the run.

    Attributes:
        chosen: (P,) int64, the places in the pool of the images that are looked at.
        unlabeled: (P, D), their features, of length 1; none before the first step.
    """

    batch_keys = (PLAIN_VIEW, "idx_ulb")

    def __init__(self, settings: NS3LSettings, num_labeled: int, num_unlabeled: int, pool_size: int, seed: int) -> None:
        super().__init__(settings, num_labeled, num_unlabeled)
        self.temperature = settings.gate_temperature
        generator = torch.Generator().manual_seed(mix(seed, _DRAW))
        self.chosen = torch.randperm(pool_size, generator=generator)[:num_labeled].sort().values
        self.interval = settings.gate_interval or usual_interval(num_labeled + len(self.chosen), num_unlabeled)
        self.unlabeled: Tensor | None = None
        self._ratios: Tensor | None = None
        self._places = torch.full((pool_size,), -1).index_copy_(0, self.chosen, torch.arange(len(self.chosen)))

    def look(self, algorithm: NS3LWrapper) -> None:
        """Make the features of the labeled images and of those of the pool anew."""
        network = network_of(algorithm.ema_model)
        self.labeled, self.unlabeled = labeled_directions(algorithm, network), self._of_pool(algorithm, network)
        self._ratios = None

    def of_images(self, features: Tensor, indices: Tensor | None) -> Tensor:
        """What images of these ``features`` (N, ...), at the places ``indices`` (N,) of the pool, count, (N,)."""
        assert self.labeled is not None
        assert self.unlabeled is not None
        assert indices is not None
        self.labeled = on_device(self.labeled, features.device)
        self.unlabeled = on_device(self.unlabeled, features.device)
        if self._ratios is None:
            self._ratios = labeled_log_ratios(self.labeled, self.unlabeled, self.temperature)
        return self._weights(features, indices, self.labeled, self.unlabeled, self._ratios)

    def weigher_of(self, algorithm: NS3LWrapper) -> Weigher:
        """What makes weights (N,) of the output of ``algorithm.model`` as it is; the gate is left alone."""
        network = network_of(algorithm.model)
        labeled, unlabeled = labeled_directions(algorithm, network), self._of_pool(algorithm, network)
        ratios = labeled_log_ratios(labeled, unlabeled, self.temperature)
        return lambda output, indices: self._weights(output["feat"], indices, labeled, unlabeled, ratios)

    def kept(self) -> dict[str, Tensor]:
        """The features, each of length 1, that the next steps stand on, by their entry in a checkpoint."""
        return {} if self.unlabeled is None else {**super().kept(), UNLABELED: self.unlabeled}

    def resume_with(self, checkpoint: dict[str, Any], algorithm: NS3LWrapper, path: str) -> None:
        """Go on with what a checkpoint has kept, if it has.

        Raises:
            ConfigError: features of other images or networks.
        """
        if LABELED in checkpoint and UNLABELED in checkpoint:
            super().resume_with(checkpoint, algorithm, path)
            self.unlabeled = features_kept(checkpoint, UNLABELED, len(self.chosen), algorithm, path)
            self._ratios = None

    def _of_pool(self, algorithm: HostAlgorithm, network: nn.Module) -> Tensor:
        return directions_of(algorithm, network, "train_ulb", self.chosen.tolist())

    def _weights(self, features: Tensor, indices: Tensor, labeled: Tensor, unlabeled: Tensor, ratios: Tensor) -> Tensor:
        self._places = on_device(self._places, features.device)
        places = self._places[on_device(indices, features.device)]
        return ratio_weights(features, labeled, unlabeled, ratios, self.scale, self.temperature, places)


def check_pool(algorithm: HostAlgorithm) -> None:
    """Refuse a pool that says nothing of densities.

    Raises:
        ConfigError: it has fewer than two images.
    """
    size = len(algorithm.dataset_dict["train_ulb"])
    if size < 2:
        raise expected("ns3l_gate", "none, or at least 2 unlabeled images to compare", f"density_ratio with {size}")
