"""What pools of 10,000, 100,000 and 1,000,000 images cost: at the start, in a step, in memory, and when evaluated.

The images are random pixels in a file (``numpy.memmap``), half of whose classes have labels (``whole_pool``): the pool
is all of them. Each size has a process of its own. Seconds are those of the processors, on a GPU those of the wall.

    python benchmarks/scale.py --out benchmarks/scale.csv --whole [--device cuda] [--algorithms fixmatch_ns3l]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import usb_negsamp

SIZES = (10_000, 100_000, 1_000_000)
SIDE = 32
CLASSES = 10
SEEN = 5
TEST_IMAGES = 2_000
IMAGES_AT_ONCE = 10_000


def write_images(path: Path, number: int) -> np.ndarray:
    """Write ``number`` images of random pixels; return them, as they lie in the file."""
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (number, SIDE, SIDE, 3))
    generator = np.random.default_rng(0)
    for start in range(0, number, IMAGES_AT_ONCE):
        part = images[start : start + IMAGES_AT_ONCE]
        part[...] = generator.integers(0, 256, part.shape, dtype=np.uint8)
    images.flush()
    return np.load(path, mmap_mode="r")  # type: ignore[no-any-return]


def offer_pool(images: np.ndarray) -> None:
    """Make the data set ``pool`` of these training images, and some of them as test images."""
    from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource
    from usb_negsamp.data.sources.registry import SOURCES
    from usb_negsamp.host.datasets.build import offer_sources

    def load(data_dir: Path, img_size: int) -> ImageSource:
        train = ImageArrays(images, np.arange(len(images)) % CLASSES)
        test = ImageArrays(images[:TEST_IMAGES], train.targets[:TEST_IMAGES])
        classes, mean, std = tuple(map(str, range(CLASSES))), (0.5,) * 3, (0.29,) * 3
        return ImageSource("pool", classes, train, None, None, test, mean, std, horizontal_flip=True)

    SOURCES["pool"] = load
    offer_sources()


def own_mebibytes() -> float:
    """Memory that this process has for itself; pages of files are not in it."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) / 1024


def seconds(call: Callable[[], Any], times: int, clock: Callable[[], float]) -> float:
    """The median of so many calls."""
    from usb_negsamp.run.bench.stopwatch import synchronize

    taken = []
    for _ in range(times):
        synchronize()
        start = clock()
        call()
        synchronize()
        taken.append(clock() - start)
    return statistics.median(taken)


def measured(size: int, algorithm: str, device: str, net: str, whole: bool, folder: Path) -> dict[str, Any]:
    """The row of one pool and one algorithm, measured in this process; ``whole``: with an evaluation of all of it."""
    usb_negsamp.register()

    from usb_negsamp.data.sources.image_source import ImageArrays
    from usb_negsamp.host.datasets.dataset_parts import image_digest
    from usb_negsamp.host.evaluation.open_set import open_set_figures
    from usb_negsamp.run.bench.cases import Variant
    from usb_negsamp.run.bench.stopwatch import clock as clock_named
    from usb_negsamp.run.bench.subject import Subject

    images = write_images(folder / "images.npy", size)
    offer_pool(images)
    of_data = {"dataset": "pool", "data_dir": ".", "img_size": SIDE, "num_labels": 40 * SEEN, "num_workers": 1}
    of_pool = {"seen_classes": SEEN, "num_classes": SEEN, "mismatch_protocol": "whole_pool"}
    of_step = {"algorithm": algorithm, "net": net, "device": device, "batch_size": 16, "uratio": 7}
    keys = {**of_data, **of_pool, **of_step, "eval_batch_size": 512}
    clock = clock_named("cpu" if device == "cpu" else "wall")
    subjects: list[Subject] = []
    before = own_mebibytes()
    digest = seconds(lambda: image_digest(ImageArrays(images, np.arange(size))), 1, clock)
    start = seconds(lambda: subjects.append(Subject(Variant("plugin", keys), folder)), 1, clock)
    of_start = own_mebibytes() - before
    [subject] = subjects
    trained, data = subject.algorithm, subject.algorithm.dataset_dict["open_set"]
    for _ in range(3):
        subject.step()
    step = seconds(subject.step, 12, clock)
    after_steps = own_mebibytes() - before
    sampler = trained.loader_dict["train_ulb"].sampler
    first_of_epoch = seconds(lambda: next(iter(sampler)), 5, clock)
    evaluation = seconds(lambda: open_set_figures(trained, data), 1, clock)
    trained.args.open_eval_images = 0
    whole_pool = seconds(lambda: open_set_figures(trained, data), 1, clock) if whole else None
    return {
        "algorithm": algorithm,
        "pool": len(data.pool),
        "net": net,
        "start_s": round(start, 2),
        "digest_s": round(digest, 2),
        "step_ms": round(1000 * step, 1),
        "first_of_epoch_ms": round(1000 * first_of_epoch, 2),
        "evaluation_s": round(evaluation, 2),
        "whole_pool_s": None if whole_pool is None else round(whole_pool, 2),
        "start_mib": round(of_start, 1),
        "after_steps_mib": round(after_steps, 1),
        "after_whole_pool_mib": round(own_mebibytes() - before, 1),
    }


def main() -> None:
    """Measure each size and algorithm in a process of its own, and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("scale.csv"))
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--algorithms", default="fixmatch_ns3l,flexmatch_ns3l,softmatch_ns3l")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--net", default="cnn3")
    parser.add_argument("--whole", action="store_true", help="evaluate the whole pool, too")
    parser.add_argument("--one", nargs=2, metavar=("SIZE", "ALGORITHM"), help="measure this one, and print its row")
    options = parser.parse_args()
    if options.one:
        size, algorithm = options.one
        with tempfile.TemporaryDirectory() as folder:
            row = measured(int(size), algorithm, options.device, options.net, options.whole, Path(folder))
        print(json.dumps(row))
        return

    from usb_negsamp.run.records.csv_file import write_csv

    rows: list[dict[str, Any]] = []
    for algorithm in options.algorithms.split(","):
        for size in options.sizes.split(","):
            command = [sys.executable, "-W", "ignore", __file__, "--one", size, algorithm]
            command += ["--device", options.device, "--net", options.net, *(["--whole"] if options.whole else [])]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            rows.append({**json.loads(done.stdout.splitlines()[-1]), "device": device_of(options.device)})
            print(rows[-1], flush=True)
            write_csv(options.out, list(rows[0]), rows)


def device_of(name: str) -> str:
    """The name of the processor or GPU."""
    import torch

    from usb_negsamp.run.records.versions import device_name

    return device_name(torch.device(name))


if __name__ == "__main__":
    main()
