"""Samplers and data sets whose order and random draws follow from (seed, loader, epoch, position) alone.

Whatever the number of workers or processes, and wherever a resumed run goes on, a position of the global batch order
has the same image in the same view.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any
from weakref import WeakSet

import numpy as np
import torch
from semilearn.datasets import DistributedSampler
from torch.utils.data import DataLoader, default_collate, get_worker_info

from usb_negsamp.host import device
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.batches.whole import InBatches, seconds_of_a_batch, whole_batch
from usb_negsamp.host.randomness import mix, mix_with_each

SECONDS_AFTER_SIGTERM = 30.0
KEYS_AT_ONCE = 4096
"""One after the other they take longer than some views."""
SECONDS_IN_THE_PROCESS = 0.01
"""Batches that take longer are made by workers, where there are any: on two cores, what a worker costs besides."""
SECONDS_BESIDE_A_GPU = 0.002

_keeping_workers: WeakSet[DataLoader[Any]] = WeakSet()


def remember_workers(loader: DataLoader[Any]) -> None:
    """Have :func:`let_workers_go` end the workers that ``loader`` keeps from epoch to epoch."""
    _keeping_workers.add(loader)


def let_workers_go() -> None:
    """End the workers that loaders have kept; a loader that is read again starts new ones.

    Left to the collection of circles, in which an algorithm and its loaders end, each worker waits for five seconds:
    Python ends the queue first through which PyTorch tells a worker that it may go.
    """
    for loader in tuple(_keeping_workers):
        iterator, loader._iterator = loader._iterator, None
        if iterator is not None:
            iterator._shutdown_workers()  # type: ignore[attr-defined]  # of several processes, as this one is


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
        indices = itertools.islice(self._indices(), start, None)
        for first in range(start, len(self.sampler), KEYS_AT_ONCE):
            positions = np.arange(first, min(first + KEYS_AT_ONCE, len(self.sampler)))
            global_positions = positions * self.sampler.num_replicas + self.sampler.rank
            keys = mix_with_each(self.seed, self.stream, self.epoch, each=global_positions).tolist()
            # The indices go on in the next round; a sampler of fewer than it says has no more.
            yield from zip(keys, map(int, indices), strict=False)

    def _indices(self) -> Iterator[int]:
        """The sampler's order. The host's usual one makes that of a whole epoch at once; here a shuffle at a time."""
        sampler = self.sampler
        if type(sampler) is not DistributedSampler:
            yield from sampler
            return
        generator = torch.Generator()
        generator.manual_seed(sampler.epoch)
        number = len(sampler.dataset)
        for first in range(0, sampler.total_size, number):
            shuffled = torch.randperm(number, generator=generator)[: sampler.total_size - first]
            of_process = shuffled[(sampler.rank - first) % sampler.num_replicas :: sampler.num_replicas]
            for part in torch.split(of_process, KEYS_AT_ONCE):
                yield from part.tolist()

    def __len__(self) -> int:
        return len(self.sampler)


class SeededDataset(InBatches):
    """The host's dataset, asked by (key, index): the sample's random draws follow from the key alone."""

    def __getitems__(self, keyed: list[tuple[int, int]]) -> Any:
        """The samples, or the whole batch where one can be made at once."""
        keys, indices = [key for key, _ in keyed], [index for _, index in keyed]
        batch = whole_batch(self.dataset, indices, keys) if self.collate is default_collate else None
        return self._one_by_one(keyed) if batch is None else batch

    def __getitem__(self, keyed: tuple[int, int]) -> Any:
        return self._one_by_one([keyed])[0]

    def _one_by_one(self, keyed: list[tuple[int, int]]) -> list[Any]:
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


def worthwhile_workers(dataset: Any, batch_size: int | None, most: int, *, in_training: bool = True) -> int:
    """How many workers of a loader are to make its batches: ``most``, or none where the process itself is sooner.

    A GPU that is waited for in training stands still. In evaluation workers would have to be started first.
    """
    beside_gpu = in_training and device.selected().type == "cuda"
    longest = SECONDS_BESIDE_A_GPU if beside_gpu else SECONDS_IN_THE_PROCESS
    return 0 if seconds_of_a_batch(dataset, batch_size or 1) <= longest else most


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
