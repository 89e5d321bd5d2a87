"""Running batch-norm statistics of present weights, from the very rows that feed them in training.

Which rows these are is the algorithm's affair and that of ``bn_update``: a joint pass over all views, the labeled pass
alone, mixed images. So nothing here says which: the algorithm takes steps of its own on training batches past the end,
without an update, and its batch norms average what such a step shows them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from usb_negsamp.host.checkpoints.form import is_state
from usb_negsamp.host.randomness import keyed_randomness, mix
from usb_negsamp.host.wrapping.after_training import (
    after_the_last_iteration,
    step_without_update,
    training_batches,
)
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.passes.pass_averages import averaging_passes

NUM_STEPS = 50
"""Steps that statistics are averaged over: the average by PyTorch's default momentum, 0.1, weighs about 20."""
_STREAM = 0xB47C


def tracking_layers(network: nn.Module) -> list[_BatchNorm]:
    """The batch norms of ``network`` that keep running statistics."""
    return [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


def reestimate_batch_norm(algorithm: Any) -> None:
    """Give ``algorithm.model`` the running statistics that training at its present weights would lead to.

    They are the average, every pass alike, over ``NUM_STEPS`` training steps without an update, the same ones each
    time. A batch norm that no pass of a step feeds keeps its own. Passes that a wrapper's loss adds are not taken: they
    leave running statistics alone. Weights, random generators and what the algorithm carries from step to step are as
    before.
    """
    layers = tracking_layers(network_of(algorithm.model))
    if not layers:
        return
    was_training = algorithm.model.training
    before = [_statistics(layer) for layer in layers]
    passes: Counter[_BatchNorm] = Counter()
    try:
        with averaging_passes(layers) as passes:
            algorithm.model.train()
            _take_steps(algorithm)
    finally:
        for layer, statistics in zip(layers, before, strict=True):
            if not passes[layer]:
                _put_back(layer, statistics)
        algorithm.model.train(was_training)


@contextmanager
def reestimated_for_a_while(algorithm: Any) -> Iterator[None]:
    """Inside the block ``algorithm.model`` has what :func:`reestimate_batch_norm` gives, afterwards its own again."""
    layers = tracking_layers(network_of(algorithm.model))
    before = [_statistics(layer) for layer in layers]
    reestimate_batch_norm(algorithm)
    try:
        yield
    finally:
        for layer, statistics in zip(layers, before, strict=True):
            _put_back(layer, statistics)


@contextmanager
def nothing_carried_on(algorithm: Any) -> Iterator[None]:
    """Steps inside the block leave no trace in the tensors and numbers that the algorithm and its hooks hold."""
    owners = [algorithm, *algorithm.hooks_dict.values()]
    kept = [
        {name: (value, _copy_of(value)) for name, value in vars(owner).items() if is_state(value)} for owner in owners
    ]
    try:
        yield
    finally:
        for owner, values in zip(owners, kept, strict=True):
            for name, (value, content) in values.items():
                if isinstance(value, torch.Tensor):
                    # Two may hold the same tensor, and go on doing so.
                    value.detach().copy_(content)
                    setattr(owner, name, value)
                else:
                    setattr(owner, name, content)


def _take_steps(algorithm: Any) -> None:
    """Take ``NUM_STEPS`` steps without an update, as past the end of the training."""
    parallel = isinstance(algorithm.model, DistributedDataParallel)
    key = mix(algorithm.args.seed, _STREAM, algorithm.rank)
    with (
        nothing_carried_on(algorithm),
        keyed_randomness(key),
        after_the_last_iteration(algorithm),
        algorithm.model.no_sync() if parallel else nullcontext(),
    ):
        batches = training_batches(algorithm, 0)
        for number in range(NUM_STEPS):
            algorithm.steps_after_training = number
            step_without_update(algorithm, next(batches))
    algorithm.model.zero_grad()


def _copy_of(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    return value.copy() if hasattr(value, "copy") else value


def _statistics(layer: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in layer.named_buffers(recurse=False)}


def _put_back(layer: nn.Module, statistics: dict[str, torch.Tensor]) -> None:
    for name, buffer in layer.named_buffers(recurse=False):
        buffer.copy_(statistics[name])
