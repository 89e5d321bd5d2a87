"""V1, whose labels train the mask, and V2, which selects the model: two stratified parts of the validation images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.data.splits.sampling import ascending, class_order, proportional_shares
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.evaluation.networks import shapes_of_the_moment
from usb_negsamp.host.transfer import on_device


@dataclass(frozen=True)
class Validation:
    """Two disjoint parts of a data set under the evaluation transform.

    Attributes:
        dataset: the host's validation set.
        collate: its loader's function from a list of samples to a batch.
        first: indices of V1 (int64, ascending).
        second: indices of V2.
        seed: of the order in which batches of V1 come.
    """

    dataset: Any
    collate: Any
    first: np.ndarray
    second: np.ndarray
    seed: int

    def batch_of_first(self, step: int, size: int) -> dict[str, Any]:
        """Batch number ``step`` of V1, the same on every process: V1 in one random order after the other."""
        size = min(size, len(self.first))
        positions = np.arange(step * size, (step + 1) * size)
        rounds, places = np.divmod(positions, len(self.first))
        orders = {number: self._order(int(number)) for number in np.unique(rounds)}
        indices = [self.first[orders[number][place]] for number, place in zip(rounds, places, strict=True)]
        return self._collated(indices)

    def batches(self, part: np.ndarray, size: int) -> Iterator[dict[str, Any]]:
        """All of a part, in order."""
        for start in range(0, len(part), size):
            yield self._collated(part[start : start + size])

    def _order(self, number: int) -> np.ndarray:
        keys = np.random.PCG64(np.random.SeedSequence([self.seed, number])).random_raw(len(self.first))
        return np.argsort(keys, kind="stable")

    def _collated(self, indices: Any) -> dict[str, Any]:
        batch: dict[str, Any] = self.collate([self.dataset[int(index)] for index in indices])
        return batch


def split_validation(
    targets: np.ndarray, num_classes: int, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw V1 and V2, stratified; a sample whose label is no class of the head is in neither.

    Args:
        targets: (N,) labels of the validation set.
        num_classes: K.
        fraction: |V1| / (|V1| + |V2|), in (0, 1).
        seed: the only source of chance.

    Raises:
        ConfigError: one of the parts would be empty.
    """
    targets = np.asarray(targets)
    usable = np.flatnonzero((targets >= 0) & (targets < num_classes))
    sizes = np.bincount(targets[usable], minlength=num_classes)
    total = round(fraction * len(usable))
    if not 0 < total < len(usable):
        raise ConfigError(
            f"spl_validation_fraction: expected a share that leaves images to both parts of the {len(usable)} "
            f"validation images, but got {fraction:g}"
        )
    shares = proportional_shares(total, sizes)
    first, second = [], []
    for label in range(num_classes):
        members = class_order(targets, label, seed)
        first.append(members[: shares[label]])
        second.append(members[shares[label] :])
    return ascending(first), ascending(second)


def validation_of(algorithm: Any, fraction: float, seed: int) -> Validation:
    """V1 and V2 of the run's validation images.

    Raises:
        ConfigError: the run has none, or too few.
    """
    data = algorithm.dataset_dict
    if data.get("test") is None:
        raise ConfigError(
            "spl needs validation images of its own, a part to learn the mask on and a part to choose the model by: "
            "expected validation_size above 0 (or a data set with a validation part), but the only images to evaluate "
            "on are the test images"
        )
    first, second = split_validation(np.asarray(data["eval"].targets), algorithm.num_classes, fraction, seed)
    return Validation(data["eval"], algorithm.loader_dict["eval"].collate_fn, first, second, seed)


@torch.no_grad()
def measure(algorithm: Any, validation: Validation, part: np.ndarray) -> tuple[float, float]:
    """Accuracy and mean cross-entropy of ``algorithm.model``, as it is and in evaluation mode, on a part."""
    was_training = algorithm.model.training
    algorithm.model.eval()
    device = next(algorithm.model.parameters()).device
    # Read at the end alone; in float64, as Python's numbers are.
    correct, loss = (torch.zeros((), dtype=dtype, device=device) for dtype in (torch.int64, torch.float64))
    try:
        with shapes_of_the_moment():
            for batch in validation.batches(part, algorithm.args.eval_batch_size):
                inputs, labels = inputs_and_labels(algorithm, batch)
                logits = algorithm.model(inputs)["logits"].float()
                correct += (logits.argmax(1) == labels).sum()
                loss += F.cross_entropy(logits, labels, reduction="sum")
    finally:
        algorithm.model.train(was_training)
    return int(correct) / len(part), float(loss) / len(part)


def inputs_and_labels(algorithm: Any, batch: dict[str, Any]) -> tuple[Any, Tensor]:
    """A labeled batch on the device of the model."""
    device = next(algorithm.model.parameters()).device
    labels: Tensor = on_device(torch.as_tensor(batch["y_lb"]).long(), device)
    return on_device(batch["x_lb"], device), labels
