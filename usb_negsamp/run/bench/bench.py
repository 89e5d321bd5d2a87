"""``usb-negsamp bench``: the variants of each case, in turns, to rows of seconds, ratios and shares."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usb_negsamp.run.bench.cases import BARE_HOST, Case, has_stage, memory_variants
from usb_negsamp.run.bench.worker import Worker, end_all

Row = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        options: names of the options that are tried beside the default.
        turns: how often each variant has its turn; one more warms up.
        steps: timed steps of a turn.
        clock: ``wall``, or ``cpu`` on a machine that others use, too.
        random_images: number of training images of the data set ``random_images``; None where it is not used.
    """

    options: Sequence[str] = ()
    turns: int = 9
    steps: int = 10
    clock: str = "wall"
    random_images: int | None = None


def measure(case: Case, plan: Plan, say: Callable[[str], None]) -> list[Row]:
    """Return a row for each variant of a case.

    Variants take turns, so that whatever else the machine does falls on all of them alike: a ratio is that of two
    variants in the same turn.

    Raises:
        ConfigError: a variant cannot be built or fails.
    """
    workers: list[Worker] = []
    try:
        for variant in case.variants(plan.options):
            workers.append(Worker(variant, plan.random_images, plan.clock))
        say(f"{case.name}: building {', '.join(worker.variant.name for worker in workers)}")
        circumstances = {worker.variant.name: worker.answer() for worker in workers}
        steps: dict[str, list[float]] = {worker.variant.name: [] for worker in workers}
        evaluations: dict[str, list[float]] = {worker.variant.name: [] for worker in workers}
        for turn in range(plan.turns + 1):
            for worker in workers if turn % 2 else reversed(workers):
                name = worker.variant.name
                seconds = worker.ask("seconds_per_step", plan.steps)
                if turn:
                    steps[name].append(seconds)
                # The first one pays for the start of the loader's workers; a few more tell its spread.
                if turn <= _EVALUATIONS:
                    evaluation = worker.ask("seconds_of_evaluation")
                    if turn:
                        evaluations[name].append(1000 * evaluation / circumstances[name]["images_evaluated"])
            say(f"{case.name}: turn {turn} of {plan.turns}")
        shares = {worker.variant.name: worker.ask("shares", plan.steps) for worker in workers}
        peaks = {worker.variant.name: worker.ask("peak_mebibytes") for worker in workers}
    finally:
        end_all(workers)
    rest = {name: statistics.median(steps[name]) * _rest(shares[name]) for name in steps}
    return [
        {
            "case": case.name,
            "algorithm": worker.variant.keys["algorithm"],
            "variant": name,
            **_times(steps[name], steps[BARE_HOST], "step"),
            **_times(evaluations[name], evaluations[BARE_HOST], "evaluation"),
            **{f"{phase}_share": round(share, 4) for phase, share in shares[name].items()},
            "rest_ratio": round(rest[name] / rest[BARE_HOST], 4),
            "peak_mib": round(peaks[name]),
            **circumstances[name],
        }
        for worker in workers
        for name in [worker.variant.name]
    ]


def measure_memory(case: Case, plan: Plan, say: Callable[[str], None]) -> list[Row]:
    """Return a row for the bare host, its algorithm here, and ours: the memory of a step, of SPL's an inner step's.

    Raises:
        ConfigError: a variant cannot be built or fails.
    """
    rows: list[Row] = []
    for variant in memory_variants(case):
        worker = Worker(variant, plan.random_images, plan.clock)
        try:
            circumstances = worker.answer()
            stage = has_stage(variant.keys["algorithm"])
            mebibytes = worker.ask("inner_step_mebibytes" if stage else "step_mebibytes")
        finally:
            end_all([worker])
        say(f"{case.name}: {variant.name} {mebibytes:.1f} MiB")
        row = {
            "case": case.name,
            "algorithm": variant.keys["algorithm"],
            "variant": variant.name,
            "step": "inner" if stage else "training",
            "tensors_mib": round(mebibytes, 2),
        }
        first = rows[0]["tensors_mib"] if rows else row["tensors_mib"]
        rows.append({**row, "tensors_ratio": round(row["tensors_mib"] / first, 4), **circumstances})
    return rows


_EVALUATIONS = 3


def _rest(shares: Mapping[str, float]) -> float:
    """Share of a step that is neither data nor forward nor backward."""
    return shares["optimizer"] + shares["hooks"]


def _times(turns: Sequence[float], reference: Sequence[float], name: str) -> Mapping[str, float]:
    """Milliseconds (median, least and most of the turns), and the ratio to the reference in the same turn."""
    ratios = [mine / its for mine, its in zip(turns, reference, strict=True)]
    return {
        f"{name}_ms": round(1000 * statistics.median(turns), 3),
        f"{name}_ms_least": round(1000 * min(turns), 3),
        f"{name}_ms_most": round(1000 * max(turns), 3),
        f"{name}_ratio": round(statistics.median(ratios), 4),
        f"{name}_ratio_least": round(min(ratios), 4),
        f"{name}_ratio_most": round(max(ratios), 4),
    }
