"""Batch-norm statistics for an evaluation: re-estimated on training images where the run asks for it.

The host's Wide ResNet averages its batch statistics with momentum 0.001, so that for the first thousands of steps the
running statistics describe the initial network and every evaluation is at chance (host table, 0.3). With
``bn_batches: N`` each evaluation takes the statistics of N batches of unlabeled training images, unaugmented, and
gives the network its own back afterwards: training is untouched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from usb_negsamp.host.datasets.plain_images import plain_images


def _calibration_batches(algorithm: Any, num_batches: int) -> list[Tensor]:
    """Evenly spaced unlabeled training images under the evaluation transform, in batches; made once a run."""
    cached = getattr(algorithm, "_calibration_batches", None)
    if cached is not None:
        return cached
    pool, transform = algorithm.dataset_dict["train_ulb"], algorithm.dataset_dict["eval"].transform
    batch_size = algorithm.args.eval_batch_size
    count = min(len(pool), num_batches * batch_size)
    images = plain_images(pool, transform, np.linspace(0, len(pool) - 1, count).astype(int).tolist())
    batches = list(images.split(batch_size))
    algorithm._calibration_batches = batches
    return batches


@contextmanager
def reestimated_batch_norm(algorithm: Any) -> Iterator[None]:
    """Inside the block, ``algorithm.model`` has the statistics of its present weights, if ``bn_batches`` > 0."""
    num_batches = getattr(algorithm.args, "bn_batches", 0) or 0
    layers = [m for m in algorithm.model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if num_batches == 0 or not layers:
        yield
        return
    kept = [
        (layer.momentum, {name: buffer.clone() for name, buffer in layer.named_buffers()}, layer.training)
        for layer in layers
    ]
    device = next(algorithm.model.parameters()).device
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
        with torch.no_grad():
            for batch in _calibration_batches(algorithm, num_batches):
                algorithm.model(batch.to(device))
        for layer in layers:
            layer.eval()
        yield
    finally:
        for layer, (momentum, buffers, training) in zip(layers, kept, strict=True):
            layer.momentum = momentum
            layer.train(training)
            for name, buffer in layer.named_buffers():
                buffer.copy_(buffers[name])


@contextmanager
def batch_statistics_as_they_are(algorithm: Any) -> Iterator[None]:
    """Inside the block an evaluation takes the batch statistics of the model, whatever ``bn_batches`` is."""
    kept = getattr(algorithm.args, "bn_batches", 0)
    algorithm.args.bn_batches = 0
    try:
        yield
    finally:
        algorithm.args.bn_batches = kept
