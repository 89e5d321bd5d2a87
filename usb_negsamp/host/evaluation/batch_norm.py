"""Batch-norm statistics for an evaluation: re-estimated on training images where the run asks for it.

The host's Wide ResNet averages its batch statistics with momentum 0.001, so that for the first thousands of steps the
running statistics describe the initial network and every evaluation is at chance (host table, 0.3). With
``bn_batches: N`` each evaluation takes the statistics of N batches of unlabeled training images, unaugmented, and
gives the network its own back afterwards: training is untouched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.passes.pass_averages import averaging_passes


def _calibration_batches(algorithm: HostAlgorithm, num_batches: int) -> list[Tensor]:
    """Evenly spaced unlabeled training images under the evaluation transform, in batches; made once a run."""
    cached: list[Tensor] | None = vars(algorithm).get("_calibration_batches")
    if cached is not None:
        return cached
    pool, transform = algorithm.dataset_dict["train_ulb"], algorithm.dataset_dict["eval"].transform
    batch_size = algorithm.args.eval_batch_size
    count = min(len(pool), num_batches * batch_size)
    images = plain_images(pool, transform, np.linspace(0, len(pool) - 1, count).astype(int).tolist())
    batches = list(torch.split(images, batch_size))
    vars(algorithm)["_calibration_batches"] = batches
    return batches


def _layers_with_statistics(model: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


@torch.no_grad()
def average_batch_statistics(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of ``model`` by the mean over ``batches`` of inputs, moved to its device.

    Every batch counts the same. Batch norms alone are in training mode meanwhile; modes and momenta are as before
    afterwards. A model without running statistics is not passed anything.
    """
    layers = _layers_with_statistics(model)
    if not layers:
        return
    modes = [(module, module.training) for module in model.modules()]
    device = next(model.parameters()).device
    model.eval()
    try:
        for layer in layers:
            layer.train()
        with averaging_passes(layers):
            for batch in batches:
                model(on_device(batch, device))
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def reestimated_batch_norm(algorithm: HostAlgorithm) -> Iterator[None]:
    """Inside the block, ``algorithm.model`` has the statistics of its present weights, if ``bn_batches`` > 0."""
    num_batches = getattr(algorithm.args, "bn_batches", 0) or 0
    layers = _layers_with_statistics(algorithm.model)
    if num_batches == 0 or not layers:
        yield
        return
    kept = [{name: buffer.clone() for name, buffer in layer.named_buffers()} for layer in layers]
    try:
        average_batch_statistics(algorithm.model, _calibration_batches(algorithm, num_batches))
        yield
    finally:
        for layer, buffers in zip(layers, kept, strict=True):
            for name, buffer in layer.named_buffers():
                buffer.copy_(buffers[name])


@contextmanager
def batch_statistics_as_they_are(algorithm: HostAlgorithm) -> Iterator[None]:
    """Inside the block an evaluation takes the batch statistics of the model, whatever ``bn_batches`` is."""
    kept = getattr(algorithm.args, "bn_batches", 0)
    algorithm.args.bn_batches = 0
    try:
        yield
    finally:
        algorithm.args.bn_batches = kept
