"""The ways of choosing negatives that look at the sample and not at the network's present output (paper, Appendix B).

Each is a table over the unlabeled images, made once before the training, and a draw from its rows at each step:

- ``uniform``: P classes out of all, the right one not spared;
- ``oracle``: P wrong classes, by the true labels;
- ``neighbor``: by the distance to the nearest labeled image of each class, on pixels or on the network's features.
  ``exclude`` draws P classes but never the nearest, ``exclude_nearest`` never one of the four nearest, and
  ``furthest`` takes the P furthest.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.ns3l.settings import NUM_EXCLUDED, NS3LSettings
from usb_negsamp.data.announcing import announced
from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import negatives_outside
from usb_negsamp.functional.negatives import class_distances
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.wrapper import Wrapper


class NegativeTable:
    """Negatives by the index of the unlabeled image.

    Args:
        excluded: (N, K), bool; classes that are never drawn for the image. Where the model is.
        num_negatives: the paper's P.
        seed: with the step's number, it decides the draw, whatever the device, so that a resumed run draws what it
            would have.
        fixed: take all classes that are not excluded instead of drawing.
    """

    def __init__(self, excluded: Tensor, num_negatives: int, seed: int, fixed: bool = False) -> None:
        self.excluded = excluded
        self.num_negatives = num_negatives
        self.seed = seed
        self.fixed = fixed

    def draw(self, indices: Tensor, step: int) -> Tensor:
        """Negatives (N, K), bool, of the images ``indices`` (N,) at step number ``step``, on the table's device.

        ``indices`` stand on the table's device: nothing is fetched from it.
        """
        excluded = self.excluded[indices]
        if self.fixed:
            return ~excluded
        generator = torch.Generator().manual_seed(mix(self.seed, step))
        return negatives_outside(excluded, self.num_negatives, generator)


@torch.no_grad()
def negative_table(algorithm: Wrapper, settings: NS3LSettings, excluded: Tensor | None = None) -> NegativeTable:
    """Make the table of the rule for the data of ``algorithm``, on the device of its model.

    Args:
        algorithm: at the start of its training.
        settings: with another rule than ``threshold``.
        excluded: what :func:`excluded_classes` gave at the start of a training that is now resumed; none at the start.

    Raises:
        ConfigError: the true labels are not known (oracle), or a labeled class has no image (furthest).
    """
    if excluded is None:
        excluded = excluded_classes(algorithm, settings)
    device = next(algorithm.model.parameters()).device
    fixed = settings.rule == "neighbor" and settings.neighbor_rule == "furthest"
    return NegativeTable(excluded.to(device), settings.num_negatives, algorithm.seed_of_draws, fixed)


def excluded_classes(algorithm: HostAlgorithm, settings: NS3LSettings) -> Tensor:
    """Classes (N, K), bool, on the CPU, that the rule never makes negatives of each unlabeled image.

    Raises:
        ConfigError: the true labels are not known (oracle), or a labeled class has no image (furthest).
    """
    unlabeled, num_classes = algorithm.dataset_dict["train_ulb"], algorithm.num_classes
    if settings.rule == "uniform":
        return torch.zeros(len(unlabeled), num_classes, dtype=torch.bool)
    if settings.rule == "oracle":
        targets = torch.as_tensor(unlabeled.targets if unlabeled.targets is not None else [-1]).long()
        if len(targets) != len(unlabeled) or targets.min() < 0 or targets.max() >= num_classes:
            raise ConfigError("ns3l_rule: oracle needs the true class of every unlabeled image, and not all are known")
        return torch.nn.functional.one_hot(targets, num_classes).bool()
    distances = _class_distances(algorithm, settings.neighbor_features)
    if settings.neighbor_rule == "furthest":
        if not torch.isfinite(distances).all():
            raise ConfigError("ns3l_neighbor_rule: furthest needs a labeled image of every class")
        num_excluded = num_classes - settings.num_negatives
    else:
        num_excluded = NUM_EXCLUDED if settings.neighbor_rule == "exclude_nearest" else 1
    nearest = distances.topk(num_excluded, dim=1, largest=False).indices
    return torch.zeros_like(distances, dtype=torch.bool).scatter_(1, nearest, True)


def _class_distances(algorithm: HostAlgorithm, neighbor_features: str) -> Tensor:
    """Distances (N, K) of the unlabeled images to the nearest labeled one of each class, on the CPU."""
    transform = algorithm.dataset_dict["eval"].transform
    labeled = algorithm.dataset_dict["train_lb"]
    device = next(algorithm.model.parameters()).device
    was_training = algorithm.model.training
    algorithm.model.eval()

    def features(dataset: Any) -> Tensor:
        images: Tensor = plain_images(dataset, transform, range(len(dataset)))
        if neighbor_features == "pixels":
            return images.flatten(1)
        parts = [algorithm.model(on_device(part, device))["feat"].float().cpu() for part in torch.split(images, 256)]
        return torch.cat(parts)

    with announced("distances from the unlabeled images to the labeled ones (ns3l_rule neighbor)"):
        distances = class_distances(
            features(algorithm.dataset_dict["train_ulb"]),
            features(labeled),
            torch.as_tensor(labeled.targets).long(),
            algorithm.num_classes,
        )
    algorithm.model.train(was_training)
    return distances
