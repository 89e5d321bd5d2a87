"""Time of a training step of DNLL, over that of the host's FixMatch on the same batch.

    python benchmarks/dnll_step_time.py --device cpu --net small_cnn --out benchmarks/dnll_step_time_cpu.csv

The algorithms take turns in one process, a few steps each, so that whatever else the machine does falls on all of them.
A row is one algorithm: the median over its turns of the seconds a step, the median over turns of its ratio to FixMatch
in the same turn, and, for DNLL, the share of its steps that went into drawing negatives and keeping error perceptions.
"""

from __future__ import annotations

import argparse
import csv
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

REFERENCE = "fixmatch"
# Label of a row: algorithm, and its keys.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    REFERENCE: ("fixmatch", {}),
    "dnll": ("dnll", {}),
    "dnll, error perception": ("dnll", {"dnll_selection": "error_perception", "dnll_num_negatives": 3}),
    "dnll, weights 0": ("dnll", {"dnll_weight": 0.0}),
    "fixmatch_dnll": ("fixmatch_dnll", {}),
    "fixmatch_dnll, weights 0": ("fixmatch_dnll", {"dnll_weight": 0.0}),
}


class Stopwatch:
    """Adds up the seconds of the calls of some methods; on a GPU it waits for the device before and after each."""

    def __init__(self, owner: Any, *methods: str) -> None:
        self.seconds = 0.0
        self.running = False
        for method in methods:
            setattr(owner, method, self._timed(getattr(owner, method)))

    def _timed(self, method: Any) -> Any:
        def timed(*args: Any) -> Any:
            if not self.running:
                return method(*args)
            synchronize()
            start = time.perf_counter()
            result = method(*args)
            synchronize()
            self.seconds += time.perf_counter() - start
            return result

        return timed


def synchronize() -> None:
    """Wait for the GPU, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def build(variant: str, args: argparse.Namespace) -> Any:
    """An algorithm on ``args.device`` in the state of a training loop, with a fixed batch."""
    from usb_negsamp.host import device
    from usb_negsamp.host.build import build_algorithm
    from usb_negsamp.testing import seed_everything, tiny_arguments

    name, keys = VARIANTS[variant]
    options = {"num_train_iter": 10**6, "num_eval_iter": 10**6, "num_log_iter": 100, "epoch": 1}
    options |= {"net": args.net, "img_size": args.img_size, "batch_size": args.batch_size, "uratio": args.uratio}
    options |= {"amp": args.amp, "device": args.device}
    run = tiny_arguments(name, tempfile.mkdtemp(), **options, **keys)
    run.gpu = 0 if device.select(args.device).type == "cuda" else None
    seed_everything(0)
    algorithm = build_algorithm(run)
    algorithm.epoch = 0
    algorithm.model.train()
    algorithm.call_hook("before_run")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.fixed_batch = {**labeled, **unlabeled}
    hook = algorithm.hooks_dict.get("DNLLHook")
    algorithm.stopwatch = None if hook is None else Stopwatch(hook, "draw", "perceive")
    return algorithm


def seconds_per_step(algorithm: Any, steps: int, clock: Callable[[], float]) -> float:
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


def drawing_share(algorithm: Any) -> float | None:
    """The share of a step's wall-clock time that goes into drawing negatives and keeping error perceptions."""
    watch = algorithm.stopwatch
    if watch is None:
        return None
    watch.running, watch.seconds = True, 0.0
    seconds = seconds_per_step(algorithm, 1, time.perf_counter)
    watch.running = False
    return float(watch.seconds / seconds)


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a variant."""
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    algorithms = {variant: build(variant, args) for variant in VARIANTS}
    turns: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    shares: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for turn in range(args.turns + 1):
        for variant in VARIANTS if turn % 2 else reversed(VARIANTS):
            seconds = seconds_per_step(algorithms[variant], args.steps, clock)
            share = drawing_share(algorithms[variant])
            if turn:  # the first turn warms up
                turns[variant].append(seconds)
                shares[variant] += [] if share is None else [share]
    return [
        {
            "variant": variant,
            "ms_per_step": round(1000 * statistics.median(turns[variant]), 3),
            "ratio_to_fixmatch": round(
                statistics.median(s / p for s, p in zip(turns[variant], turns[REFERENCE], strict=True)), 4
            ),
            "drawing_share": round(statistics.median(shares[variant]), 5) if shares[variant] else "",
            "turns": args.turns,
            "steps_per_turn": args.steps,
            "clock": args.clock,
            "net": args.net,
            "img_size": args.img_size,
            "batch": f"{args.batch_size}+{args.uratio}x{args.batch_size}",
            "amp": args.amp,
            "device": torch.cuda.get_device_name(0) if args.device == "cuda" else f"cpu, {platform.machine()}",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        for variant in VARIANTS
    ]


def main() -> None:
    """Measure and write the CSV file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--net", default="small_cnn")
    parser.add_argument("--img_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--uratio", type=int, default=1)
    parser.add_argument("--amp", action="store_true")
    parser.add_argument(
        "--clock", default="wall", choices=("wall", "cpu"), help="cpu: seconds of this process, for a busy machine"
    )
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = measure(args)
    for row in rows:
        print({key: row[key] for key in ("variant", "ms_per_step", "ratio_to_fixmatch", "drawing_share")}, flush=True)
    with args.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
