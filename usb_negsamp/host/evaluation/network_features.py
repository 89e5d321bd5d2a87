"""What the networks of a finished run make of test images: features and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.fit import averaged_state
from usb_negsamp.host.datasets.built_data import built_data_of
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.evaluation.networks import averaged_weights, outputs_of
from usb_negsamp.host.wrapping.peer import PairWrapper

NAMES = ("first network", "second network")


@dataclass(frozen=True)
class ImageLabels:
    """Of the images that features are of.

    Attributes:
        labels: (N,), int64: classes with labels 0 to K - 1, unseen ones K and above.
        num_seen: K.
        names: of all classes by these numbers; empty where the host's loader read the data.
    """

    labels: np.ndarray
    num_seen: int
    names: tuple[str, ...]

    def name(self, label: int) -> str:
        """The name of a class, or its number."""
        return self.names[label] if label < len(self.names) else str(label)


@dataclass(frozen=True)
class NetworkFeatures:
    """Of one network.

    Attributes:
        name: which one.
        features: (N, D), float32: the last hidden layer.
        predictions: (N,), int64.
    """

    name: str
    features: np.ndarray
    predictions: np.ndarray


def features_of_run(
    algorithm: HostAlgorithm, checkpoint: Path, num_images: int, seed: int
) -> tuple[list[NetworkFeatures], ImageLabels]:
    """Return what each network, with the averaged weights saved at ``checkpoint``, makes of some test images.

    The algorithm is left with those weights.

    Args:
        algorithm: built as the run was, with one network or two.
        checkpoint: of the run.
        num_images: at most so many, drawn by ``seed``, of those whose class is known; on an open-set split these are of
            seen and unseen classes.
        seed: of the choice of images.

    Returns:
        the networks, and what the images are.
    """
    saved = read_checkpoint(checkpoint)
    networks: list[tuple[HostAlgorithm, dict[str, Any]]] = [(algorithm, saved)]
    if "peer" in saved and isinstance(algorithm, PairWrapper):
        algorithm.place_peer()
        networks.append((algorithm.peer, saved["peer"]))
    dataset = _test_images(algorithm)
    targets = np.asarray(dataset.targets)
    known = np.flatnonzero(targets >= 0)
    chosen = np.sort(np.random.default_rng(seed).permutation(known)[:num_images])
    batches = _batches(plain_images(dataset, dataset.transform, chosen), algorithm.args.eval_batch_size)
    found = []
    for name, (network, state) in zip(NAMES, networks, strict=False):
        network.model.load_state_dict(averaged_state(state, network.model, checkpoint))
        network.ema = None
        with averaged_weights(network):
            outputs = [output for output, _ in outputs_of(network, batches)]
        features = torch.cat([output["feat"].flatten(1).float() for output in outputs]).cpu().numpy()
        predictions = torch.cat([output["logits"].argmax(1) for output in outputs]).cpu().numpy()
        found.append(NetworkFeatures(name, features, predictions))
    return found, ImageLabels(targets[chosen].astype(np.int64), algorithm.num_classes, _class_names(algorithm))


def _test_images(algorithm: HostAlgorithm) -> Any:
    """The test images, of an open-set split those of all classes; where there are none, the evaluation's."""
    parts = algorithm.dataset_dict
    opened = parts.get("open_set")
    if opened is not None and opened.test is not None:
        return opened.test
    return parts["eval" if parts.get("test") is None else "test"]


def _class_names(algorithm: HostAlgorithm) -> tuple[str, ...]:
    figures = built_data_of(algorithm).figures or {}
    return tuple(figures.get("classes") or [*figures.get("seen_classes", ()), *figures.get("unseen_classes", ())])


def _batches(images: Tensor, size: int) -> list[dict[str, Tensor]]:
    parts = torch.split(images, size)
    return [{"x_lb": part, "y_lb": torch.zeros(len(part))} for part in parts]
