"""Time of making a batch of CIFAR-sized images as the host does, and with our repair of its views, side by side.

    python benchmarks/loading_time.py --out benchmarks/loading_time_cpu.csv

The data sets are those of the host's own ``get_cifar``, of random pixels in place of the download. A row is a kind of
sample: the median over turns of the microseconds a sample in one process, without and with the repair
``image_transforms``, and the median over turns of their ratio.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torchvision
from semilearn.datasets.cv_datasets.cifar import get_cifar

import usb_negsamp
from usb_negsamp.host import patching
from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.testing import seed_everything

SAMPLES = {"labeled (weak)": 0, "unlabeled (weak and strong)": 1, "evaluation (plain)": 2}
"""Kind of sample: its place in what ``get_cifar`` returns."""


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


def microseconds(dataset: Any, samples: int) -> float:
    """Microseconds of this process a sample."""
    seed_everything(0)
    start = time.process_time()
    for index in range(samples):
        dataset[index % len(dataset)]
    return (time.process_time() - start) / samples * 1e6


def main() -> None:
    """Measure and write the CSV file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    usb_negsamp.register()
    mended = host_datasets()
    with patching.undone("image_transforms"):
        bare = host_datasets()
    rows = []
    for sample, place in SAMPLES.items():
        turns = []
        for turn in range(args.turns + 1):
            pair = [microseconds(datasets[place], args.samples) for datasets in (bare, mended)]
            if turn:  # the first one warms up
                turns.append(pair)
        rows.append(
            {
                "sample": sample,
                "bare_host_us": round(statistics.median(pair[0] for pair in turns), 1),
                "mended_us": round(statistics.median(pair[1] for pair in turns), 1),
                "ratio": round(statistics.median(pair[1] / pair[0] for pair in turns), 3),
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
