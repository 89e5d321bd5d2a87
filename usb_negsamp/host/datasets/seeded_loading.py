"""Samplers and data sets whose order and random draws follow from (seed, loader, epoch, position) alone.

Whatever the number of workers or processes, and wherever a resumed run goes on, a position of the global batch order
has the same image in the same view.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import numpy as np
import torch
from semilearn.datasets import DistributedSampler
from torch.utils.data import DataLoader, Dataset, get_worker_info

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.randomness import mix

SECONDS_AFTER_SIGTERM = 30.0


class SeededSampler(DistributedSampler):
    """Yields (key, index) in the order of one of the host's samplers, shuffled by (seed, stream, epoch)."""

    def __init__(self, sampler: Any, seed: int, stream: int) -> None:
        self.sampler, self.seed, self.stream = sampler, seed, stream
        self.start = 0
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.sampler.set_epoch(mix(self.seed, self.stream, epoch))

    def __iter__(self) -> Iterator[tuple[int, int]]:
        start, self.start = self.start, 0
        for position, index in enumerate(self.sampler):
            if position >= start:
                global_position = position * self.sampler.num_replicas + self.sampler.rank
                yield mix(self.seed, self.stream, self.epoch, global_position), int(index)

    def __len__(self) -> int:
        return len(self.sampler)


class SeededDataset(Dataset[Any]):
    """The host's dataset, asked by (key, index): the sample's random draws follow from the key alone."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "dataset":
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitems__(self, keyed: list[tuple[int, int]]) -> list[Any]:
        in_worker = get_worker_info() is not None
        states = None if in_worker else (random.getstate(), np.random.get_state(), torch.get_rng_state())
        samples = []
        for key, index in keyed:
            random.seed(key)
            np.random.seed(key & 0xFFFFFFFF)
            torch.default_generator.manual_seed(key)
            samples.append(self.dataset[index])
        if states is not None:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_rng_state(states[2])
        return samples

    def __getitem__(self, keyed: tuple[int, int]) -> Any:
        return self.__getitems__([keyed])[0]


def leave_signals_to_parent(worker: int) -> None:
    """Let a loader's worker go on when a signal comes to all processes of a run; for ``worker_init_fn``.

    SLURM and ``timeout`` send SIGTERM to every process, a keyboard SIGINT. A worker that ended would take its parent
    with it before that has saved anything. It ends when its loader tells it, when its parent is gone, at a second
    SIGTERM (a parent that leaves in disorder sends two), or ``SECONDS_AFTER_SIGTERM`` after the first.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_later)


def _end_later(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    timer = threading.Timer(SECONDS_AFTER_SIGTERM, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()


def skip_to(algorithm: HostAlgorithm, iteration: int) -> None:
    """Let every training loader begin with the batch of ``iteration`` (0-based), in the epoch it lies in."""
    epoch, step = divmod(iteration, algorithm.num_iter_per_epoch)
    for name, loader in list(algorithm.loader_dict.items()):
        if isinstance(loader, DataLoader) and isinstance(loader.sampler, SeededSampler):
            loader.sampler.set_epoch(epoch)
            assert loader.batch_size is not None  # a loader of the host draws batches
            loader.sampler.start = step * loader.batch_size
            if f"{name}_iter" in algorithm.loader_dict:
                algorithm.loader_dict[f"{name}_iter"] = iter(loader)
