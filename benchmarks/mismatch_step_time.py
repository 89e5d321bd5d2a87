"""Time of a training step of Temporal Ensembling, UASD and DS3L, over those of supervised training and of the Pi model.

    python benchmarks/mismatch_step_time.py --clock cpu --out benchmarks/mismatch_step_time_cpu.csv

A row is one algorithm: the median over its turns of the milliseconds a step, on a fixed batch, and the medians over
turns of its ratios to the two others in the same turn. The views of UASD's validation images are part of its steps.
"""

from __future__ import annotations

import argparse
from typing import Any

from training_steps import (
    build_in_training,
    circumstances,
    median_milliseconds,
    median_ratio,
    step_parser,
    take_turns,
    write_rows,
)

ALGORITHMS = ("supervised", "pimodel", "temporalensembling", "uasd", "ds3l")


def measure(args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row an algorithm."""
    turns = take_turns({name: build_in_training(name, args) for name in ALGORITHMS}, args)
    return [
        {
            "algorithm": name,
            "ms_per_step": median_milliseconds(turns[name]),
            "ratio_to_supervised": median_ratio(turns, name, "supervised"),
            "ratio_to_pimodel": median_ratio(turns, name, "pimodel"),
            **circumstances(args),
        }
        for name in ALGORITHMS
    ]


def main() -> None:
    """Measure and write the CSV file."""
    args = step_parser(__doc__ or "").parse_args()
    write_rows(measure(args), args.out, ("algorithm", "ms_per_step", "ratio_to_supervised", "ratio_to_pimodel"))


if __name__ == "__main__":
    main()
