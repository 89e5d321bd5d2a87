"""What an unlabeled image's loss counts, by how near it is to labeled images (key ``ns3l_gate``).

NS3L pushes images of classes that the labels do not have towards one of those that they have, and with the logits goes
every score that is made of logits. The features of the averaged network still tell such images apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.errors import expected
from usb_negsamp.functional.gate import directions, gate_weights, nearest_other_cosines
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.form import kind_of
from usb_negsamp.host.datasets.extra_views import PLAIN_VIEW
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.iteration import step_number
from usb_negsamp.tensor_file import is_plain

if TYPE_CHECKING:
    from usb_negsamp.algorithms.ns3l.ns3l import NS3LWrapper


LABELED = "ns3l_labeled_features"
"""Entry of a checkpoint."""

Weigher = Callable[[dict[str, Any], Tensor], Tensor]
"""The output of a network for some images of the pool, and the images' places there (N,), to their weights (N,)."""


class NeighborGate:
    """``neighbors``: weights of a step's unlabeled images. The labeled ones' features are kept, made anew now and then.

    All features are those of plain images by the averaged network (the network itself where ``ema_m`` is 0) in
    evaluation mode. So weights depend on no other image of the batch, and are the same for any number of processes.

    Args:
        settings: ``gate_scale`` and ``gate_interval``.
        num_labeled: M, the number of labeled images.
        num_unlabeled: of a step, over all processes.

    Attributes:
        labeled: (M, D), the labeled images' features, of length 1; none before the first step.
    """

    batch_keys: tuple[str, ...] = (PLAIN_VIEW,)
    """What the gate reads of a batch."""

    def __init__(self, settings: NS3LSettings, num_labeled: int, num_unlabeled: int) -> None:
        self.scale = settings.gate_scale
        self.interval = settings.gate_interval or usual_interval(num_labeled, num_unlabeled)
        self.labeled: Tensor | None = None
        self._nearest: Tensor | None = None

    def weights(self, algorithm: NS3LWrapper) -> Tensor:
        """What each of the step's unlabeled images counts, (N,), in [0, 1]."""
        if self.labeled is None or step_number(algorithm) % self.interval == 0:
            self.look(algorithm)
        features = averaged_output(algorithm, algorithm.batch[PLAIN_VIEW])["feat"]
        return self.of_images(features, algorithm.batch.get("idx_ulb"))

    def look(self, algorithm: NS3LWrapper) -> None:
        """Make the features of the labeled images anew."""
        self.labeled, self._nearest = labeled_directions(algorithm, network_of(algorithm.ema_model)), None

    def of_images(self, features: Tensor, indices: Tensor | None) -> Tensor:
        """What images of these ``features`` (N, ...), at the places ``indices`` (N,) of the pool, count, (N,)."""
        assert self.labeled is not None
        self.labeled = on_device(self.labeled, features.device)
        if self._nearest is None:
            self._nearest = nearest_other_cosines(self.labeled)
        return gate_weights(features, self.labeled, self._nearest, self.scale)

    def weigher_of(self, algorithm: NS3LWrapper) -> Weigher:
        """What makes weights (N,) of the output of ``algorithm.model`` as it is; the gate is left alone."""
        labeled = labeled_directions(algorithm, network_of(algorithm.model))
        nearest = nearest_other_cosines(labeled)
        return lambda output, indices: gate_weights(output["feat"], labeled, nearest, self.scale)

    def kept(self) -> dict[str, Tensor]:
        """The features, each of length 1, that the next steps stand on, by their entry in a checkpoint."""
        return {} if self.labeled is None else {LABELED: self.labeled}

    def resume_with(self, checkpoint: dict[str, Any], algorithm: NS3LWrapper, path: str) -> None:
        """Go on with what a checkpoint has kept, if it has.

        Raises:
            ConfigError: features of other images or networks.
        """
        if LABELED in checkpoint:
            number = len(algorithm.dataset_dict["train_lb"])
            self.labeled, self._nearest = features_kept(checkpoint, LABELED, number, algorithm, path), None


def usual_interval(num_labeled: int, num_unlabeled: int) -> int:
    """Steps after which the features of the labeled images are made anew, so that they cost one unlabeled batch a step.

    >>> usual_interval(60, 32), usual_interval(4000, 50), usual_interval(20, 64)
    (2, 80, 1)
    """
    return -(-num_labeled // num_unlabeled)


def averaged_output(algorithm: HostAlgorithm, images: Tensor) -> dict[str, Tensor]:
    """What the averaged network in evaluation mode makes of plain ``images``: ``logits`` (N, K) and ``feat`` (N, D)."""
    return _output(algorithm, network_of(algorithm.ema_model), images)


@torch.no_grad()
def _output(algorithm: HostAlgorithm, network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    was_training = network.training
    network.eval()
    try:
        with algorithm.amp_cm():
            output: dict[str, Tensor] = network(images)
    finally:
        network.train(was_training)
    return output


def features_of(algorithm: HostAlgorithm, network: nn.Module, part: str, indices: Sequence[int]) -> Tensor:
    """Features (M, ...) of images of the data set ``part`` by ``network`` in evaluation mode, where that is."""
    dataset, transform = algorithm.dataset_dict[part], algorithm.dataset_dict["eval"].transform
    device = next(network.parameters()).device
    return _output(algorithm, network, on_device(plain_images(dataset, transform, indices), device))["feat"]


def directions_of(algorithm: HostAlgorithm, network: nn.Module, part: str, indices: Sequence[int]) -> Tensor:
    """The same, of length 1, (M, D), computed in parts."""
    size = int(algorithm.args.eval_batch_size)
    parts = (indices[start : start + size] for start in range(0, len(indices), size))
    return torch.cat([directions(features_of(algorithm, network, part, indices)) for indices in parts])


def labeled_directions(algorithm: HostAlgorithm, network: nn.Module) -> Tensor:
    """Features (M, D) of all labeled images by ``network`` in evaluation mode, of length 1."""
    return directions_of(algorithm, network, "train_lb", range(len(algorithm.dataset_dict["train_lb"])))


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


def features_kept(checkpoint: dict[str, Any], name: str, number: int, algorithm: HostAlgorithm, path: str) -> Tensor:
    """What a checkpoint has kept as ``name``: the features (``number``, D) of images by the network of ``algorithm``.

    Raises:
        ConfigError: it is something else.
    """
    found = checkpoint[name]
    shape = (number, features_of(algorithm, network_of(algorithm.ema_model), "train_lb", range(1)).flatten(1).shape[1])
    if not (is_plain(found) and found.is_floating_point() and tuple(found.shape) == shape):
        words = f"the features of {shape[0]} {name.split('_')[1]} images, {shape[1]} each"
        raise expected(f"{path}: {name}", words, kind_of(found))
    return found
