"""Runs of a grid that would compute the same: one of them is trained, and stands for the others.

An algorithm that reads no unlabeled images, as supervised training, does not depend on what these are. A grid over the
mismatch would train it again for every value, to the same bits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from usb_negsamp.run.configuration.host_keys import HOST_KEYS
from usb_negsamp.run.records.directory import run_files
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.run.sweep.run_state import is_finished

OF_UNLABELED = frozenset(
    ("mismatch_ratio", "mismatch_protocol", "num_unlabeled", "include_lb_to_ulb", "uratio", "ulb_loss_ratio")
)
"""Keys that say which unlabeled images there are, how many a step takes, and what they weigh: nothing else."""
_PLACE = frozenset(key.name for key in HOST_KEYS if key.affects == "place")


def without_repetitions(runs: Sequence[Run], *, anew: bool = False) -> tuple[Run, ...]:
    """Return the runs to be made, in their order; each names those that it stands for.

    What has finished earlier stays a run of its own. Of the others the first that was begun stands for all, else the
    first.

    Args:
        runs: of a grid.
        anew: whether runs are made anew that are there already; then each of those is.
    """
    alike: dict[str, list[Run]] = {}
    for run in runs:
        alike.setdefault(_computation(run), []).append(run)
    kept: dict[str, Run] = {}
    for same in alike.values():
        if len(same) == 1:
            kept[same[0].name] = same[0]
            continue
        there = [run for run in same if (bool(run_files(run.directory)) if anew else is_finished(run))]
        chosen = there or [next((run for run in same if run_files(run.directory)), same[0])]
        others = tuple(run for run in same if run not in chosen)
        kept.update((run.name, run) for run in chosen)
        kept[chosen[0].name] = dataclasses.replace(chosen[0], also=others)
    return tuple(kept[run.name] for run in runs if run.name in kept)


def what_is_not_repeated(runs: Iterable[Run]) -> list[str]:
    """Return a line on each algorithm of which one run stands for several.

    >>> what_is_not_repeated([])
    []
    """
    keys: dict[str, dict[str, None]] = {}
    for run in runs:
        for other in run.also:
            names = keys.setdefault(str(run.config["algorithm"]), {})
            names.update(dict.fromkeys(key for key, value in other.point.items() if value != run.point[key]))
    return [
        f"{algorithm} reads no unlabeled images: one run stands for every {' and '.join(names)}"
        for algorithm, names in keys.items()
    ]


def _computation(run: Run) -> str:
    """A text that two runs of a grid share if they compute the same."""
    if _depends_on_unlabeled(run.config):
        return run.name
    return repr(
        [(key, value) for key, value in sorted(run.config.items()) if key not in OF_UNLABELED and key not in _PLACE]
    )


def _depends_on_unlabeled(config: Mapping[str, Any]) -> bool:
    from usb_negsamp.host import ALGORITHMS
    from usb_negsamp.host.unlabeled import reads_unlabeled

    # With bn_batches an evaluation estimates batch statistics on unlabeled images, whatever was trained.
    if config.get("imb_algorithm") is not None or config.get("bn_batches"):
        return True
    name = str(config["algorithm"])
    return reads_unlabeled(name, ALGORITHMS[name])
