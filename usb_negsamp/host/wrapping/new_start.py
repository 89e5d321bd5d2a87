"""A network that begins anew in the midst of a run: weights, their average, optimizer, schedule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.randomness import keyed_randomness
from usb_negsamp.host.wrapping.among_processes import network_of


@torch.no_grad()
def start_anew(algorithm: HostAlgorithm, key: int) -> None:
    """Give ``algorithm`` the weights of a network built anew, an average that starts at them, and a new optimizer.

    The tensors stay the ones they are, so that parallel wrappers, tapes and checkpoints go on with them. Random
    generators are as before.

    Args:
        algorithm: in a run that has begun.
        key: decides the weights, the same in each process.
    """
    with keyed_randomness(key):
        fresh = algorithm.set_model().state_dict()
    for network in (network_of(algorithm.model), network_of(algorithm.ema_model)):
        network.load_state_dict(fresh)
    for name, parameter in algorithm.model.named_parameters():
        algorithm.ema.shadow[name].copy_(parameter)
    algorithm.optimizer, algorithm.scheduler = algorithm.set_optimizer()


@contextmanager
def as_long_as(algorithm: HostAlgorithm, num_iterations: int) -> Iterator[None]:
    """Inside the block ``algorithm`` is to train so many iterations, which is what a schedule is made for."""
    kept = algorithm.num_train_iter, algorithm.args.num_train_iter
    algorithm.num_train_iter = algorithm.args.num_train_iter = num_iterations
    try:
        yield
    finally:
        algorithm.num_train_iter, algorithm.args.num_train_iter = kept
