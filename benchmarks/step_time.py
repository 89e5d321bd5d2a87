"""Time of a training step: an algorithm, with NS3L around it, and the host without our repairs, side by side.

    python benchmarks/step_time.py --device cpu --net small_cnn --img_size 32 --out benchmarks/step_time_cpu.csv

The variants take turns in one process, a few steps each, so that whatever else the machine does falls on all of them.
A row is one variant: the median over its turns of the seconds a step, and the median over turns of its ratio to the
plain algorithm in the same turn. The bare host is the same algorithm with the repairs undone that change the work of a
step: averaging of weights, timers, freezing of batch norm, and VAT's direction.
"""

from __future__ import annotations

import argparse
import csv
import platform
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

STEP_REPAIRS = ("moving_average", "step_timer", "batch_norm_control", "virtual_adversary")
VARIANTS = ("plain", "ns3l", "ns3l, two passes", "bare host")


def build(name: str, args: argparse.Namespace) -> Any:
    """An algorithm on ``args.device`` in the state of a training loop."""
    from usb_negsamp.host import device
    from usb_negsamp.host.build import build_algorithm
    from usb_negsamp.testing import seed_everything, tiny_arguments

    base, _, variant = name.partition("/")
    options = {"num_train_iter": 10**6, "num_eval_iter": 10**6, "num_log_iter": 100, "epoch": 1}
    options |= {"net": args.net, "img_size": args.img_size, "batch_size": args.batch_size, "uratio": args.uratio}
    options |= {"amp": args.amp, "device": args.device}
    if variant.startswith("ns3l"):
        base += "_ns3l"
        options["ns3l_passes"] = 2 if "two" in variant else 1
    run = tiny_arguments(base, tempfile.mkdtemp(), **options)
    run.gpu = 0 if device.select(args.device).type == "cuda" else None
    seed_everything(0)
    algorithm = build_algorithm(run)
    algorithm.epoch = 0
    algorithm.model.train()
    algorithm.call_hook("before_run")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.fixed_batch = {**labeled, **unlabeled}
    return algorithm


def seconds_per_step(algorithm: Any, steps: int) -> float:
    """Seconds a step over ``steps`` steps on the fixed batch; the device is waited for before and after."""
    wait = torch.cuda.synchronize if torch.cuda.is_available() else (lambda: None)
    wait()
    start = time.perf_counter()
    for _ in range(steps):
        algorithm.call_hook("before_train_step")
        step_input = algorithm.process_batch(**algorithm.fixed_batch)
        algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**step_input)
        algorithm.call_hook("after_train_step")
        algorithm.it += 1
    wait()
    return (time.perf_counter() - start) / steps


def measure(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a variant of the host algorithm ``name``."""
    from usb_negsamp.host import patching

    variants = [v for v in VARIANTS if not (name == "mixmatch" and "two" in v)]
    algorithms = {}
    for variant in variants:
        with ExitStack() as stack:
            if variant == "bare host":
                stack.enter_context(patching.undone(*STEP_REPAIRS))
            algorithms[variant] = build(f"{name}/{variant}", args)
    turns: dict[str, list[float]] = {variant: [] for variant in variants}
    for turn in range(args.turns + 1):
        for variant in variants if turn % 2 else reversed(variants):
            with ExitStack() as stack:
                if variant == "bare host":
                    stack.enter_context(patching.undone(*STEP_REPAIRS))
                seconds = seconds_per_step(algorithms[variant], args.steps)
            if turn:  # the first turn warms up
                turns[variant].append(seconds)
    return [
        {
            "algorithm": name,
            "variant": variant,
            "ms_per_step": round(1000 * statistics.median(turns[variant]), 3),
            "ratio_to_plain": round(
                statistics.median(s / p for s, p in zip(turns[variant], turns["plain"], strict=True)), 4
            ),
            "turns": args.turns,
            "steps_per_turn": args.steps,
            "net": args.net,
            "img_size": args.img_size,
            "batch": f"{args.batch_size}+{args.uratio}x{args.batch_size}",
            "amp": args.amp,
            "device": torch.cuda.get_device_name(0) if args.device == "cuda" else f"cpu, {platform.machine()}",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        for variant in variants
    ]


def main() -> None:
    """Measure and write the CSV file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--algorithms", nargs="+", default=["vat", "fixmatch", "freematch", "mixmatch"])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--net", default="small_cnn")
    parser.add_argument("--img_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--uratio", type=int, default=1)
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    for name in args.algorithms:
        rows += measure(name, args)
        for row in rows[-len(VARIANTS) :]:
            print({key: row[key] for key in ("algorithm", "variant", "ms_per_step", "ratio_to_plain")}, flush=True)
    with args.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
