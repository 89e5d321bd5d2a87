"""Features of images as they are evaluated, by a network in evaluation mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from usb_negsamp.errors import expected
from usb_negsamp.functional.gate import directions
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.form import kind_of
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.tensor_file import is_plain


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
