"""A trained network as a plain module: raw images in, logits out, with neither data nor algorithm around it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from usb_negsamp.data import ImageFormat
from usb_negsamp.data.views.pixel_module import pixel_module
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.fit import averaged_state
from usb_negsamp.host.evaluation.networks import averaged_weights
from usb_negsamp.host.evaluation.open_set import kept_threshold, needs_threshold
from usb_negsamp.host.evaluation.pair import EvaluatedPair, log_average_probs
from usb_negsamp.host.evaluation.saved import saved_network
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.passes.logits_tape import evaluated_logits

OneOfHeads = Callable[[Tensor, Any], Tensor]
"""A network's input and the logits of its heads to those that it is evaluated with."""


class PlainNetwork(nn.Module):
    """Images (N, 3, S, S), uint8 or floating-point in [0, 1], to logits (N, K), as the run evaluated them.

    Of two networks whose probabilities are averaged the logits are the logarithms of the averages.

    Args:
        images: what they are to the network.
        network: returns a dictionary with ``logits``.
        one_of_heads: for a network whose ``logits`` are those of several heads.

    Attributes:
        classes: names of the K outputs.
        unseen_classes: of a run on an open-set split, names of the classes that have none.
        img_size: S, in pixels.
    """

    def __init__(self, images: ImageFormat, network: nn.Module, one_of_heads: OneOfHeads | None = None) -> None:
        super().__init__()
        self.preprocessing = pixel_module(images.preprocessing, images.img_size)
        self.network = network
        self.one_of_heads = one_of_heads
        self.classes, self.unseen_classes = images.classes, images.unseen_classes
        self.img_size = images.img_size

    def outputs(self, images: Tensor) -> dict[str, Tensor]:
        """All that the network returns: ``logits``, ``feat``, and what heads of the algorithm add."""
        inputs = self.preprocessing(images)
        found: dict[str, Tensor] = self.network(inputs)
        if self.one_of_heads is not None:
            found = {**found, "logits": self.one_of_heads(inputs, found["logits"])}
        return found

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits.

        Raises:
            ValueError: images of another shape or dtype.
        """
        return self.outputs(images)["logits"]


class AveragedPair(nn.Module):
    """Two networks as one, by the average of their probabilities.

    Args:
        first: what else there is in the output is its own.
        second: of the same kind.
    """

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Return the first network's output with the logarithms of the averaged probabilities as ``logits``."""
        output: dict[str, Tensor] = self.first(inputs)
        return {**output, "logits": log_average_probs(output["logits"].float(), self.second(inputs)["logits"].float())}


def network_of_checkpoint(
    algorithm: HostAlgorithm, saved: Mapping[str, Any], images: ImageFormat, where: str
) -> PlainNetwork:
    """The network with the averaged weights of a checkpoint, in evaluation mode and without gradients.

    Args:
        algorithm: built of the run's arguments; its model gets the weights. It needs no data.
        saved: the checkpoint's content.
        images: what they are to the network.
        where: the file, for messages.

    Raises:
        ConfigError: the weights are not those of the run's network.
    """
    first = network_of(algorithm.model)
    second = copy.deepcopy(first) if averages_pair(algorithm, saved) else None
    first.load_state_dict(averaged_state(saved, first, where))
    if second is not None:
        second.load_state_dict(averaged_state(saved.get("peer"), second, f"{where}: peer"))
    return _plain(algorithm, first, second, images)


def network_on_its_data(
    algorithm: HostAlgorithm, saved: Mapping[str, Any], images: ImageFormat, where: str
) -> tuple[PlainNetwork, float | None]:
    """The same with the batch statistics that ``bn_batches`` asks for, and the threshold for images of no class.

    Args:
        algorithm: with its data; it is as before afterwards.
        saved: the checkpoint's content.
        images: what they are to the network.
        where: its file.

    Returns:
        the network, and what :func:`kept_threshold` has of the validation images; None where nothing asks for it.
    """
    second, threshold = None, None
    with saved_network(algorithm, Path(where)):
        with averaged_weights(algorithm):
            first = copy.deepcopy(network_of(algorithm.model))
        if averages_pair(algorithm, saved):
            assert isinstance(algorithm, EvaluatedPair)
            with algorithm.turn_of_peer() as peer, averaged_weights(peer):
                second = copy.deepcopy(network_of(peer.model))
        if needs_threshold(algorithm):
            threshold = kept_threshold(torch.from_numpy(algorithm.evaluate("eval", return_logits=True)["eval/logits"]))
    return _plain(algorithm, first, second, images), threshold


def averages_pair(algorithm: HostAlgorithm, saved: Mapping[str, Any]) -> bool:
    """Whether the figures of a checkpoint are of the average of two networks."""
    return isinstance(algorithm, EvaluatedPair) and algorithm.evaluation_rule == "average" and "peer" in saved


def _plain(algorithm: HostAlgorithm, first: nn.Module, second: nn.Module | None, images: ImageFormat) -> PlainNetwork:
    network = (first if second is None else AveragedPair(first, second)).eval().requires_grad_(False)
    device = next(network.parameters()).device
    blank = torch.zeros(1, 3, images.img_size, images.img_size, device=device)
    with torch.no_grad():
        several = not isinstance(network(blank)["logits"], Tensor)
    one = functools.partial(evaluated_logits, algorithm) if several else None
    return PlainNetwork(images, network, one).to(device).eval()
