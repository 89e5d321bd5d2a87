"""What an unlabeled image's loss counts, by its density among labeled images and the pool's (``density_ratio``).

How near an image is to labeled ones says little where features are coarse: a truck is about as near to some labeled
animal as another animal is. That the pool is dense around it, and labels are not, says much more.
"""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.algorithms.ns3l.gate import LABELED, Features, Gate, Images, Weigher
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.errors import expected
from usb_negsamp.functional.density_ratio_gate import labeled_log_ratios, ratio_weights
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.transfer import on_device

UNLABELED = "ns3l_unlabeled_features"
"""Entry of a checkpoint."""
_DRAW = 0x6B61
"""Tells this draw from others of the same seed."""


class DensityRatioGate(Gate):
    """``density_ratio``: looks at as many images of the pool, too, as there are labeled ones, drawn once by the seed.

    Args:
        settings: ``gate_scale``, ``gate_temperature`` and ``gate_interval``.
        num_labeled: M, the number of labeled images.
        num_unlabeled: of a step, over all processes.
        pool_size: the number of unlabeled images; at least 2.
        seed: of the run.

    Attributes:
        chosen: (P,) int64, the places in the pool of the images that are looked at.
    """

    batch_keys = (PLAIN_VIEW, "idx_ulb")

    def __init__(self, settings: NS3LSettings, num_labeled: int, num_unlabeled: int, pool_size: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(mix(seed, _DRAW))
        self.chosen = torch.randperm(pool_size, generator=generator)[:num_labeled].sort().values
        images = {
            LABELED: Images("train_lb", range(num_labeled)),
            UNLABELED: Images("train_ulb", self.chosen.tolist()),
        }
        super().__init__(settings, images, num_unlabeled)
        self.scale, self.temperature = settings.gate_scale, settings.gate_temperature
        self._own = torch.full((pool_size,), -1).index_copy_(0, self.chosen, torch.arange(len(self.chosen)))

    def weigher(self, features: Features) -> Weigher:
        """What makes weights by the ``features`` of the labeled images and of those of the pool."""
        labeled, unlabeled = features[LABELED], features[UNLABELED]
        ratios = labeled_log_ratios(labeled, unlabeled, self.temperature)

        def weights(of_images: Tensor, places: Tensor | None) -> Tensor:
            assert places is not None, "idx_ulb is one of the batch_keys"
            self._own = on_device(self._own, of_images.device)
            own = self._own[on_device(places, of_images.device)]
            return ratio_weights(of_images, labeled, unlabeled, ratios, self.scale, self.temperature, own)

        return weights


def check_pool(algorithm: HostAlgorithm) -> None:
    """Refuse a pool that says nothing of densities.

    Raises:
        ConfigError: it has fewer than two images.
    """
    size = len(algorithm.dataset_dict["train_ulb"])
    if size < 2:
        raise expected("ns3l_gate", "none, or at least 2 unlabeled images to compare", f"density_ratio with {size}")
