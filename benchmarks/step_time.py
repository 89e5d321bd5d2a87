"""Time of a training step: an algorithm, with NS3L around it, and the host without our repairs, side by side.

    python benchmarks/step_time.py --device cpu --net small_cnn --img_size 32 --out benchmarks/step_time_cpu.csv

A row is one variant: the median over its turns of the seconds a step, and the median over turns of its ratio to the
plain algorithm in the same turn. The bare host is the same algorithm with the repairs undone that change the work of a
step: averaging of weights, timers, freezing of batch norm, VAT's direction, and all that makes the host wait for a GPU.
"""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, ExitStack, nullcontext
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

from usb_negsamp.host import patching

STEP_REPAIRS = (
    *("moving_average", "autocast_cache", "step_timer", "batch_norm_control", "virtual_adversary"),
    *("batch_transfer", "step_figures", "freematch_on_device", "flexmatch_on_device", "softmatch_on_device"),
    *("dist_align_queue", "mixing_order"),
)
# Label of a row: what is added to the algorithm's name, and its keys.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("", {}),
    "ns3l": ("_ns3l", {}),
    "ns3l, two passes": ("_ns3l", {"ns3l_passes": 2}),
    "plain, channels last": ("", {"channels_last": True}),
    "bare host": ("", {}),
}


def as_variant(variant: str) -> AbstractContextManager[Any]:
    """Where a variant is built and takes its steps: for the bare host, without our repairs of a step."""
    if variant != "bare host":
        return nullcontext()
    stack = ExitStack()
    stack.enter_context(patching.undone(*STEP_REPAIRS))
    return stack


def measure(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a variant of the host algorithm ``name``."""
    algorithms = {}
    for variant, (wrapper, keys) in VARIANTS.items():
        if name == "mixmatch" and "two" in variant:  # mixes all in one pass
            continue
        with as_variant(variant):
            algorithms[variant] = build_in_training(name + wrapper, args, **keys)
    turns = take_turns(algorithms, args, around=as_variant)
    return [
        {
            "algorithm": name,
            "variant": variant,
            "ms_per_step": median_milliseconds(turns[variant]),
            "ratio_to_plain": median_ratio(turns, variant, "plain"),
            **circumstances(args),
        }
        for variant in algorithms
    ]


def main() -> None:
    """Measure and write the CSV file."""
    parser = step_parser(__doc__ or "")
    parser.add_argument("--algorithms", nargs="+", default=["vat", "fixmatch", "freematch", "mixmatch"])
    args = parser.parse_args()
    rows = [row for name in args.algorithms for row in measure(name, args)]
    write_rows(rows, args.out, ("algorithm", "variant", "ms_per_step", "ratio_to_plain"))


if __name__ == "__main__":
    main()
