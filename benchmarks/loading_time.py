"""Time of making a batch of CIFAR-sized images as the host does, and as we make it, side by side.

    python benchmarks/loading_time.py --out benchmarks/loading_time_cpu.csv

The data sets are those of the host's own ``get_cifar``, of random pixels in place of the download. A row is a kind of
sample: the median over turns of the microseconds a sample in one process, as the host makes it, one by one with the
repair ``image_transforms``, and in whole batches, and the medians over turns of the ratios to the host.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torchvision
from semilearn.datasets.cv_datasets.cifar import get_cifar
from torch.utils.data import default_collate

import usb_negsamp
from usb_negsamp.host import patching
from usb_negsamp.host.datasets.batches.whole import whole_batch
from usb_negsamp.run.records.csv_file import write_csv

SAMPLES = {"labeled (weak)": 0, "unlabeled (weak and strong)": 1, "evaluation (plain)": 2}
"""Kind of sample: its place in what ``get_cifar`` returns."""
BATCH = 64


class RandomPixels:
    """Stands where the CIFAR-10 of torchvision would."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.data = np.random.default_rng(0).integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8)
        self.targets = list(np.arange(2000) % 10)


def host_datasets() -> tuple[Any, ...]:
    """The labeled, the unlabeled and the test set for FixMatch."""
    folder = tempfile.mkdtemp()  # the host writes which images it drew
    args = Namespace(dataset="cifar10", data_dir=folder, save_dir=folder, save_name="loading", num_labels=400, seed=0)
    args.img_size, args.crop_ratio = 32, 0.875
    args.ulb_num_labels, args.lb_imb_ratio, args.ulb_imb_ratio = None, 1, 1
    with mock.patch.object(torchvision.datasets, "CIFAR10", RandomPixels):
        datasets: tuple[Any, ...] = get_cifar(args, "fixmatch", "cifar10", 400, 10, folder)
        return datasets


def one_by_one(dataset: Any, indices: Sequence[int]) -> None:
    """Make a batch as a loader does that asks for sample after sample."""
    default_collate([dataset[index] for index in indices])


def at_once(dataset: Any, indices: Sequence[int]) -> None:
    """Make a batch as a loader of :mod:`usb_negsamp.host.repairs.seeded_loading` does."""
    batch = whole_batch(dataset, indices, indices)
    assert batch is not None, "the host's transforms are known"


def microseconds(make: Callable[[Any, Sequence[int]], None], dataset: Any, samples: int) -> float:
    """Microseconds of this process a sample, in batches of ``BATCH``."""
    start = time.process_time()
    for first in range(0, samples, BATCH):
        make(dataset, [index % len(dataset) for index in range(first, first + BATCH)])
    return (time.process_time() - start) / samples * 1e6


def main() -> None:
    """Measure and write the CSV file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--samples", type=int, default=2 * BATCH)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    usb_negsamp.register()
    mended = host_datasets()
    with patching.undone("image_transforms"):
        bare = host_datasets()
    rows = []
    for sample, place in SAMPLES.items():
        ways = ((one_by_one, bare[place]), (one_by_one, mended[place]), (at_once, mended[place]))
        turns = []
        for turn in range(args.turns + 1):
            times = [microseconds(make, dataset, args.samples) for make, dataset in ways]
            if turn:  # the first one warms up
                turns.append(times)
        rows.append(
            {
                "sample": sample,
                "bare_host_us": round(statistics.median(times[0] for times in turns), 1),
                "mended_us": round(statistics.median(times[1] for times in turns), 1),
                "in_batches_us": round(statistics.median(times[2] for times in turns), 1),
                "mended_ratio": round(statistics.median(times[1] / times[0] for times in turns), 3),
                "in_batches_ratio": round(statistics.median(times[2] / times[0] for times in turns), 3),
                "turns": args.turns,
                "samples_per_turn": args.samples,
                "device": f"cpu, {platform.machine()}",
                "torch": torch.__version__,
                "torchvision": torchvision.__version__,
            }
        )
        print(rows[-1], flush=True)
    write_csv(args.out, list(rows[0]), rows)


if __name__ == "__main__":
    main()
