"""Training steps of several algorithms, timed in turns in one process; what the step-time scripts have in common.

The algorithms take turns, a few steps each on a fixed batch, so that whatever else the machine does falls on all of
them alike: a ratio of two in the same turn is good to a few percent where the times themselves are not.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch

from usb_negsamp.host import device
from usb_negsamp.host.build import build_algorithm
from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.testing import seed_everything, tiny_arguments


def step_parser(description: str) -> argparse.ArgumentParser:
    """The options that every step-time script has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--net", default="small_cnn")
    parser.add_argument("--img_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--uratio", type=int, default=1)
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--channels_last", action="store_true")
    parser.add_argument(
        "--clock", default="wall", choices=("wall", "cpu"), help="cpu: seconds of this process, for a busy machine"
    )
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    return parser


def build_in_training(name: str, args: argparse.Namespace, **keys: Any) -> Any:
    """An algorithm on ``args.device`` in the state of a training loop, with a ``fixed_batch``."""
    options: dict[str, Any] = {"num_train_iter": 10**6, "num_eval_iter": 10**6, "num_log_iter": 100, "epoch": 1}
    options |= {key: getattr(args, key) for key in ("net", "img_size", "batch_size", "uratio", "amp", "device")}
    options |= {"channels_last": args.channels_last, **keys}
    run = tiny_arguments(name, tempfile.mkdtemp(), **options)
    run.gpu = 0 if device.select(args.device).type == "cuda" else None
    seed_everything(0)
    algorithm: Any
    algorithm, _ = build_algorithm(run)
    algorithm.epoch = 0
    algorithm.model.train()
    algorithm.call_hook("before_run")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.fixed_batch = {**labeled, **unlabeled}
    return algorithm


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds_per_step(algorithm: Any, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds a step over ``steps`` steps on the fixed batch; the device is waited for before and after."""
    synchronize()
    start = clock()
    for _ in range(steps):
        algorithm.call_hook("before_train_step")
        step_input = algorithm.process_batch(**algorithm.fixed_batch)
        algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**step_input)
        algorithm.call_hook("after_train_step")
        algorithm.it += 1
    synchronize()
    return (clock() - start) / steps


def take_turns(
    algorithms: dict[str, Any],
    args: argparse.Namespace,
    around: Callable[[str], AbstractContextManager[Any]] = lambda variant: nullcontext(),
    after_turn: Callable[[str], None] = lambda variant: None,
) -> dict[str, list[float]]:
    """Seconds a step of each variant in each of ``args.turns`` turns, after one that warms up.

    Args:
        algorithms: by variant, as :func:`build_in_training` gives them.
        args: the command line's.
        around: the context in which a variant takes its steps.
        after_turn: called after each of a variant's turns.
    """
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    turns: dict[str, list[float]] = {variant: [] for variant in algorithms}
    for turn in range(args.turns + 1):
        for variant in algorithms if turn % 2 else reversed(algorithms):
            with around(variant):
                seconds = seconds_per_step(algorithms[variant], args.steps, clock)
            if turn:
                turns[variant].append(seconds)
                after_turn(variant)
    return turns


def median_ratio(turns: dict[str, list[float]], variant: str, reference: str) -> float:
    """The median over turns of a variant's time over the reference's in the same turn."""
    return round(statistics.median(s / p for s, p in zip(turns[variant], turns[reference], strict=True)), 4)


def median_milliseconds(turns: Sequence[float]) -> float:
    """The median over turns, in milliseconds a step."""
    return round(1000 * statistics.median(turns), 3)


def circumstances(args: argparse.Namespace) -> dict[str, Any]:
    """What the figures of a row depend on."""
    return {
        "turns": args.turns,
        "steps_per_turn": args.steps,
        "clock": args.clock,
        "net": args.net,
        "img_size": args.img_size,
        "batch": f"{args.batch_size}+{args.uratio}x{args.batch_size}",
        "amp": args.amp,
        "channels_last": args.channels_last,
        "device": torch.cuda.get_device_name(0) if args.device == "cuda" else f"cpu, {platform.machine()}",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def write_rows(rows: Sequence[dict[str, Any]], out: Path, shown: Sequence[str]) -> None:
    """Print the columns ``shown`` of each row, and write all of them to the CSV file ``out``."""
    for row in rows:
        print({key: row[key] for key in shown}, flush=True)
    write_csv(out, list(rows[0]), rows)
