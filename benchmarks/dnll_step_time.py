"""Time of a training step of DNLL, over those of the host's FixMatch and of Dual Student on the same batch.

    python benchmarks/dnll_step_time.py --device cpu --net small_cnn --out benchmarks/dnll_step_time_cpu.csv

A row is one algorithm: the median over its turns of the seconds a step, the medians over turns of its ratios to
FixMatch and to Dual Student in the same turn, and, for DNLL, the share of its steps that went into drawing negatives
and keeping error perceptions.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from training_steps import (
    build_in_training,
    circumstances,
    median_milliseconds,
    median_ratio,
    seconds_per_step,
    step_parser,
    synchronize,
    take_turns,
    write_rows,
)

# Label of a row: algorithm, and its keys.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "fixmatch": ("fixmatch", {}),
    "dualstudent": ("dualstudent", {}),
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

    def share(self, algorithm: Any) -> float:
        """The share of a step's wall-clock time that the methods take."""
        self.running, self.seconds = True, 0.0
        seconds: float = seconds_per_step(algorithm, 1)
        self.running = False
        return self.seconds / seconds


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a variant."""
    algorithms = {variant: build_in_training(name, args, **keys) for variant, (name, keys) in VARIANTS.items()}
    hooks = {variant: algorithm.hooks_dict.get("DNLLHook") for variant, algorithm in algorithms.items()}
    watches = {variant: Stopwatch(hook, "draw", "perceive") for variant, hook in hooks.items() if hook}
    shares: dict[str, list[float]] = {variant: [] for variant in watches}

    def watch(variant: str) -> None:
        if variant in watches:
            shares[variant].append(watches[variant].share(algorithms[variant]))

    turns = take_turns(algorithms, args, after_turn=watch)
    return [
        {
            "variant": variant,
            "ms_per_step": median_milliseconds(turns[variant]),
            "ratio_to_fixmatch": median_ratio(turns, variant, "fixmatch"),
            "ratio_to_dualstudent": median_ratio(turns, variant, "dualstudent"),
            "drawing_share": round(statistics.median(shares[variant]), 5) if variant in shares else "",
            **circumstances(args),
        }
        for variant in VARIANTS
    ]


def main() -> None:
    """Measure and write the CSV file."""
    args = step_parser(__doc__ or "").parse_args()
    shown = ("variant", "ms_per_step", "ratio_to_fixmatch", "ratio_to_dualstudent", "drawing_share")
    write_rows(measure(args), args.out, shown)


if __name__ == "__main__":
    main()
