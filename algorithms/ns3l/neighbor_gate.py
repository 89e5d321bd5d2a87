"""What an unlabeled image's loss counts, by how near it is to labeled images (``neighbors``)."""

from __future__ import annotations

from usb_negsamp.algorithms.ns3l.gate import LABELED, Features, Gate, Images, Weigher
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.functional.gate import gate_weights, nearest_other_cosines


class NeighborGate(Gate):
    """``neighbors``: compares with all labeled images.

    Args:
        settings: ``gate_scale`` and ``gate_interval``.
        num_labeled: M, the number of labeled images.
        num_unlabeled: of a step, over all processes.
    """

    def __init__(self, settings: NS3LSettings, num_labeled: int, num_unlabeled: int) -> None:
        super().__init__(settings, {LABELED: Images("train_lb", range(num_labeled))}, num_unlabeled)
        self.scale = settings.gate_scale

    def weigher(self, features: Features) -> Weigher:
        """What makes weights by the labeled images' ``features``."""
        labeled = features[LABELED]
        nearest = nearest_other_cosines(labeled)
        return lambda of_images, places: gate_weights(of_images, labeled, nearest, self.scale)
