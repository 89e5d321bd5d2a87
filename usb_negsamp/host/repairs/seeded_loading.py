"""Data that follow from the seed alone: order, augmentation, and the place to resume at (B15).

What is wrong: ``datasets/samplers/sampler.py`` shuffles by the epoch's number only; augmentations draw from whatever
generator the worker process has. How it shows: every seed sees the samples in the same order; labeled and unlabeled
sets of one length draw the same indices; another number of workers or processes, or a resume in mid-epoch, gives other
images. How it is mended: the host's samplers shuffle by (seed, loader, epoch), and each draw carries a key made of
(seed, loader, epoch, position in the global batch order) that seeds Python's, NumPy's and PyTorch's generators while
its sample is made. N processes see the batches of one, split. When it may go: when the host seeds its samplers and
workers.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from semilearn.core.utils import build as host_build
from semilearn.datasets import DistributedSampler
from torch.utils.data import DataLoader, Dataset, get_worker_info

from usb_negsamp.host import device
from usb_negsamp.host.patching import replace_everywhere

_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """A 63-bit number that depends on every one of ``numbers`` and their order (splitmix64)."""
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1


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


class SeededDataset(Dataset):
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


def skip_to(algorithm: Any, iteration: int) -> None:
    """Let every training loader begin with the batch of ``iteration`` (0-based), in the epoch it lies in."""
    epoch, step = divmod(iteration, algorithm.num_iter_per_epoch)
    for name, loader in list(algorithm.loader_dict.items()):
        if isinstance(loader, DataLoader) and isinstance(loader.sampler, SeededSampler):
            loader.sampler.set_epoch(epoch)
            loader.sampler.start = step * loader.batch_size
            if f"{name}_iter" in algorithm.loader_dict:
                algorithm.loader_dict[f"{name}_iter"] = iter(loader)


def apply() -> None:
    """Replace ``get_data_loader``."""
    original = host_build.get_data_loader

    @functools.wraps(original)
    def get_data_loader(args: Any, dset: Any, batch_size: int | None = None, *rest: Any, **kwargs: Any) -> Any:
        loader = original(args, dset, batch_size, *rest, **kwargs)
        if not isinstance(getattr(loader, "sampler", None), DistributedSampler):
            return loader
        # Loaders are made in the same order in every run of an algorithm, so their rank of creation names the stream.
        args.num_loader_streams = getattr(args, "num_loader_streams", 0) + 1
        return DataLoader(
            SeededDataset(dset),
            batch_size=loader.batch_size,
            sampler=SeededSampler(loader.sampler, args.seed, args.num_loader_streams),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            drop_last=loader.drop_last,
            pin_memory=device.selected().type == "cuda",
            persistent_workers=loader.num_workers > 0,
            generator=torch.Generator(),
        )

    replace_everywhere(original, get_data_loader)
