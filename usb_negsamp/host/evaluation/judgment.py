"""What a network says of single images, for whoever looks at a finished run: nothing learns from it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from usb_negsamp.data.open_set_metrics import evenly_spaced
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.evaluation.networks import averaged_weights, outputs_of
from usb_negsamp.host.evaluation.open_set import open_set_of
from usb_negsamp.host.evaluation.predictions import Predictions, predictions
from usb_negsamp.host.randomness import keyed_randomness


@dataclass(frozen=True)
class Judgment:
    """What a network says of the images of one part of the data.

    Attributes:
        part: ``test``, or ``eval`` where the run had no images beside those that it chose its model by.
        logits: (N, K), float32, of the images whose label is one of the K classes.
        labels: (N,), int64, their true classes.
        indices: (N,), int64, their places in ``dataset``.
        dataset: the host's, which has their pictures.
    """

    part: str
    logits: np.ndarray
    labels: np.ndarray
    indices: np.ndarray
    dataset: Any


def judgment(algorithm: HostAlgorithm) -> Judgment:
    """What ``algorithm``, by the rule that it is evaluated by, says of its test images."""
    part = "test" if "test" in algorithm.loader_dict else "eval"
    logits = np.asarray(algorithm.evaluate(part, return_logits=True)[f"{part}/logits"])
    dataset = algorithm.dataset_dict[part]
    labels = np.asarray(dataset.targets).astype(np.int64)
    known = np.flatnonzero((labels >= 0) & (labels < logits.shape[1]))
    return Judgment(part, logits[known], labels[known], known, dataset)


def judged_test_images(algorithm: HostAlgorithm) -> Predictions | None:
    """What the first network says of all test images, unseen classes among them; None for a run without these."""
    data = open_set_of(algorithm)
    if data is None or data.test is None:
        return None
    with keyed_randomness(algorithm.args.seed), averaged_weights(algorithm):
        return predictions(algorithm, data.test)


def judged_pool(algorithm: HostAlgorithm, at_most: int) -> tuple[Predictions, np.ndarray]:
    """What the first network says of the unlabeled images without augmentation, with their true labels.

    A label of -1 is not known; one of K or above is of an unseen class.

    Args:
        algorithm: built as the run was.
        at_most: so many images, evenly spaced.

    Returns:
        the predictions, and the places (N,) of the images among the unlabeled ones.
    """
    data = open_set_of(algorithm)
    if data is not None:
        pool: Any = data.pool
    else:
        pool = copy.copy(algorithm.dataset_dict["train_ulb"])
        pool.transform = algorithm.dataset_dict["eval"].transform
        if pool.targets is None:
            pool.targets = np.full(len(pool), -1)
    with keyed_randomness(algorithm.args.seed), averaged_weights(algorithm):
        return predictions(algorithm, pool, at_most), evenly_spaced(len(pool), at_most)


@torch.no_grad()
def features_of_test_images(algorithm: HostAlgorithm, at_most: int) -> tuple[np.ndarray, np.ndarray]:
    """The last hidden layer of the first network on test images, those of unseen classes among them.

    Args:
        algorithm: built as the run was.
        at_most: so many images, evenly spaced.

    Returns:
        features (N, D), float32, and labels (N,), int64: K or above, or negative, is of an unseen class.
    """
    data = open_set_of(algorithm)
    if data is not None and data.test is not None:
        dataset: Any = data.test
    else:
        dataset = algorithm.dataset_dict["test" if "test" in algorithm.loader_dict else "eval"]
    chosen = evenly_spaced(len(dataset), at_most)
    images = plain_images(dataset, dataset.transform, chosen.tolist())
    batches = [
        {"x_lb": part, "y_lb": torch.zeros(len(part))} for part in torch.split(images, algorithm.args.eval_batch_size)
    ]
    with keyed_randomness(algorithm.args.seed), averaged_weights(algorithm):
        parts = [output["feat"].flatten(1).float().cpu() for output, _ in outputs_of(algorithm, batches)]
    return torch.cat(parts).numpy(), np.asarray(dataset.targets)[chosen].astype(np.int64)


def picture_of(dataset: Any, index: int) -> Image.Image | None:
    """The image number ``index`` of one of the host's data sets as it is stored; None where it is no picture."""
    sample = dataset.__sample__(index)[0]
    if isinstance(sample, Image.Image):
        return sample
    if isinstance(sample, np.ndarray) and sample.dtype == np.uint8 and sample.ndim in (2, 3):
        return Image.fromarray(sample)
    return None
