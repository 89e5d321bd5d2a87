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
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.evaluation.networks import averaged_weights, outputs_of
from usb_negsamp.host.wrapping.peer import PairWrapper

NAMES = ("first network", "second network")


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
) -> tuple[list[NetworkFeatures], np.ndarray]:
    """Return what each network, with the averaged weights saved at ``checkpoint``, makes of some test images.

    The algorithm is left with those weights.

    Args:
        algorithm: built as the run was, with one network or two.
        checkpoint: of the run.
        num_images: at most so many, drawn by ``seed``, of those whose label is one of the K classes.
        seed: of the choice of images.

    Returns:
        the networks, and the labels (N,), int64.
    """
    saved = read_checkpoint(checkpoint)
    networks: list[tuple[HostAlgorithm, dict[str, Any]]] = [(algorithm, saved)]
    if "peer" in saved and isinstance(algorithm, PairWrapper):
        algorithm.place_peer()
        networks.append((algorithm.peer, saved["peer"]))
    dataset = algorithm.dataset_dict["eval" if algorithm.dataset_dict.get("test") is None else "test"]
    targets = np.asarray(dataset.targets)
    known = np.flatnonzero((targets >= 0) & (targets < algorithm.num_classes))
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
    return found, targets[chosen].astype(np.int64)


def _batches(images: Tensor, size: int) -> list[dict[str, Tensor]]:
    parts = torch.split(images, size)
    return [{"x_lb": part, "y_lb": torch.zeros(len(part))} for part in parts]
