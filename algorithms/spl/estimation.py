"""The mismatch delta where it is not known: estimated from the trained network's features."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.algorithms.spl.validation import Validation, inputs_and_labels
from usb_negsamp.data.mismatch import mismatch_from_features
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.evaluation.batch_norm import reestimated_batch_norm
from usb_negsamp.host.transfer import on_device

NUM_NEIGHBORS = 3
MAX_IMAGES = 4096
"""Unlabeled images that are looked at, at most."""


def check_estimable(validation: Validation) -> None:
    """Check that there are enough validation images to estimate the mismatch by.

    Raises:
        ConfigError: there are not.
    """
    number = len(validation.first) + len(validation.second)
    if number <= NUM_NEIGHBORS:
        raise ConfigError(
            f"spl_mismatch: estimate needs more than {NUM_NEIGHBORS} validation images, but there are {number}"
        )


@torch.no_grad()
def estimated_mismatch(algorithm: Any, validation: Validation) -> float:
    """Share of the unlabeled images that are of unseen classes, by the features of ``algorithm.model`` as it is.

    The validation images stand for the seen classes: the network was not trained on them. Of the unlabeled images at
    most ``MAX_IMAGES``, evenly spaced, are looked at, without augmentation.
    """
    was_training = algorithm.model.training
    algorithm.model.eval()
    size = algorithm.args.eval_batch_size
    held_out = np.concatenate([validation.first, validation.second])
    pool = algorithm.dataset_dict["train_ulb"]
    rows = np.linspace(0, len(pool) - 1, min(len(pool), MAX_IMAGES)).astype(int)
    parts = (rows[start : start + size].tolist() for start in range(0, len(rows), size))
    device = next(algorithm.model.parameters()).device
    try:
        with reestimated_batch_norm(algorithm):
            seen = _features(
                algorithm, (inputs_and_labels(algorithm, batch)[0] for batch in validation.batches(held_out, size))
            )
            unlabeled = _features(
                algorithm, (on_device(plain_images(pool, validation.dataset.transform, part), device) for part in parts)
            )
    finally:
        algorithm.model.train(was_training)
    return mismatch_from_features(seen[0], unlabeled[0], seen[1], unlabeled[1], num_neighbors=NUM_NEIGHBORS)


def _features(algorithm: Any, batches: Iterable[Any]) -> tuple[Tensor, Tensor]:
    """Features (N, D) and predicted classes (N,), on the CPU."""
    outputs = [algorithm.model(batch) for batch in batches]
    features = torch.cat([output["feat"].float().cpu() for output in outputs])
    return features, torch.cat([output["logits"].argmax(1).cpu() for output in outputs])
