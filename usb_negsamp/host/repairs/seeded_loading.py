"""Data that follow from the seed alone: order, augmentation, and the place to resume at (B15).

What is wrong: ``datasets/samplers/sampler.py`` shuffles by the epoch's number only; augmentations draw from whatever
generator the worker process has. How it shows: every seed sees the samples in the same order; labeled and unlabeled
sets of one length draw the same indices; another number of workers or processes, or a resume in mid-epoch, gives other
images. How it is mended: the host's samplers shuffle by (seed, loader, epoch), and each draw carries a key made of
(seed, loader, epoch, position in the global batch order) that seeds Python's, NumPy's and PyTorch's generators while
its sample is made. N processes see the batches of one, split. The views of a batch are made at once where they are
known, and in the process itself where that takes less than a worker's handing over. When it may go: when the host
seeds its samplers and workers.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from semilearn.core.utils import build as host_build
from semilearn.datasets import DistributedSampler
from torch.utils.data import DataLoader

from usb_negsamp.host import device
from usb_negsamp.host.datasets.batches.whole import InBatches
from usb_negsamp.host.datasets.seeded_loading import (
    SeededDataset,
    SeededSampler,
    leave_signals_to_parent,
    remember_workers,
    worthwhile_workers,
)
from usb_negsamp.host.patching import replace_everywhere


def apply() -> None:
    """Replace ``get_data_loader``."""
    original = host_build.get_data_loader

    @functools.wraps(original)
    def get_data_loader(args: Any, dset: Any, batch_size: int | None = None, *rest: Any, **kwargs: Any) -> Any:
        loader = original(args, dset, batch_size, *rest, **kwargs)
        in_training = isinstance(getattr(loader, "sampler", None), DistributedSampler)
        num_workers = worthwhile_workers(dset, loader.batch_size, loader.num_workers, in_training=in_training)
        common: dict[str, Any] = {
            "batch_size": loader.batch_size,
            "num_workers": num_workers,
            "drop_last": loader.drop_last,
            "worker_init_fn": leave_signals_to_parent,
        }
        if not in_training:
            plain = InBatches(dset, loader.collate_fn)
            return DataLoader(plain, sampler=loader.sampler, collate_fn=plain.collated, **common)
        # Loaders are made in the same order in every run of an algorithm, so their rank of creation names the stream.
        # The arguments are all that the loaders of one run, and of no other, have in common.
        args.num_loader_streams = getattr(args, "num_loader_streams", 0) + 1
        seeded = SeededDataset(dset, loader.collate_fn)
        training: DataLoader[Any] = DataLoader(
            seeded,
            sampler=SeededSampler(loader.sampler, args.seed, args.num_loader_streams),
            collate_fn=seeded.collated,
            pin_memory=device.selected().type == "cuda",
            persistent_workers=num_workers > 0,
            generator=torch.Generator(),
            **common,
        )
        remember_workers(training)
        return training

    replace_everywhere(original, get_data_loader)
