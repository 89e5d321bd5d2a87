"""What an unlabeled image's loss counts, by the features of images that are kept (key ``ns3l_gate``).

NS3L pushes images of classes that the labels do not have towards one of those that they have, and with the logits goes
every score that is made of logits. The features of the averaged network still tell such images apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn

from usb_negsamp.algorithms.ns3l.plain_features import averaged_output, directions_of, features_kept
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.errors import expected
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.iteration import step_number

if TYPE_CHECKING:
    from usb_negsamp.algorithms.ns3l.ns3l import NS3LWrapper

LABELED = "ns3l_labeled_features"
"""Entry of a checkpoint."""

Features = Mapping[str, Tensor]
"""What is kept: features (M, D), each of length 1, by their entry in a checkpoint."""

Weigher = Callable[[Tensor, Tensor | None], Tensor]
"""Features (N, ...) of images of the pool, and the images' places there (N,), to their weights (N,).

There are no places in a step of a gate that does not read them.
"""


class Images(NamedTuple):
    """Those whose features are kept: at ``places`` of the data set ``part``."""

    part: str
    places: Sequence[int]


class Gate(ABC):
    """Weights of a step's unlabeled images, by the features of some images, which are kept and made anew now and then.

    All features are those of plain images by the averaged network (the network itself where ``ema_m`` is 0) in
    evaluation mode. So weights depend on no other image of the batch, and are the same for any number of processes.

    Args:
        settings: ``gate_interval`` and what the gate is.
        images: those whose features are kept, by their entry in a checkpoint.
        num_unlabeled: of a step, over all processes.

    Attributes:
        features: what is kept; nothing before the first step.
    """

    batch_keys: tuple[str, ...] = (PLAIN_VIEW,)
    """What it reads of a batch."""

    def __init__(self, settings: NS3LSettings, images: Mapping[str, Images], num_unlabeled: int) -> None:
        self.images = images
        number = sum(len(some.places) for some in images.values())
        self.interval = settings.gate_interval or usual_interval(number, num_unlabeled)
        self.features: dict[str, Tensor] = {}
        self._weigher: Weigher | None = None

    @abstractmethod
    def weigher(self, features: Features) -> Weigher:
        """What makes weights by these ``features``, which lie where it is used."""

    def weights(self, algorithm: NS3LWrapper) -> Tensor:
        """What each of the step's unlabeled images counts, (N,), in [0, 1]."""
        if not self.features or step_number(algorithm) % self.interval == 0:
            self.look(algorithm)
        features = averaged_output(algorithm, algorithm.batch[PLAIN_VIEW])["feat"]
        return self.of_images(features, algorithm.batch.get("idx_ulb"))

    def look(self, algorithm: NS3LWrapper) -> None:
        """Make the features that are kept anew."""
        self.features, self._weigher = self._features_by(algorithm, network_of(algorithm.ema_model)), None

    def of_images(self, features: Tensor, places: Tensor | None) -> Tensor:
        """What images of these ``features`` (N, ...), at the ``places`` (N,) of the pool, count, (N,)."""
        if self._weigher is None:
            self.features = {name: on_device(kept, features.device) for name, kept in self.features.items()}
            self._weigher = self.weigher(self.features)
        return self._weigher(features, places)

    def weigher_of(self, algorithm: NS3LWrapper) -> Weigher:
        """What makes weights of the features by ``algorithm.model`` as it is; the gate is left alone."""
        return self.weigher(self._features_by(algorithm, network_of(algorithm.model)))

    def resume_with(self, checkpoint: dict[str, Any], algorithm: NS3LWrapper, path: str) -> None:
        """Go on with what a checkpoint has kept, if it has.

        Raises:
            ConfigError: features of other images or networks.
        """
        if all(name in checkpoint for name in self.images):
            self.features = {
                name: features_kept(checkpoint, name, len(some.places), algorithm, path)
                for name, some in self.images.items()
            }
            self._weigher = None

    def _features_by(self, algorithm: HostAlgorithm, network: nn.Module) -> dict[str, Tensor]:
        return {name: directions_of(algorithm, network, *some) for name, some in self.images.items()}


def usual_interval(num_kept: int, num_unlabeled: int) -> int:
    """Steps after which the features that are kept are made anew, so that they cost one unlabeled batch a step.

    >>> usual_interval(60, 32), usual_interval(4000, 50), usual_interval(20, 64)
    (2, 80, 1)
    """
    return -(-num_kept // num_unlabeled)


def check_gate(algorithm: HostAlgorithm, gate: str) -> None:
    """Refuse data that the ``gate`` cannot look at.

    Raises:
        ConfigError: they are no images, or fewer than two of them have labels.
    """
    if getattr(algorithm.dataset_dict["eval"], "transform", None) is None:
        raise expected("ns3l_gate", "none for data that are no images", f"{gate} with dataset {algorithm.args.dataset}")
    num_labeled = len(algorithm.dataset_dict["train_lb"])
    if num_labeled < 2:
        raise expected("ns3l_gate", "none, or at least 2 labeled images to compare", f"{gate} with {num_labeled}")
