"""metrics.jsonl: one JSON object a line, every ``num_log_iter`` and ``num_eval_iter`` iterations.

A resumed run drops the lines past its checkpoint first, and no clock is in the file, so that it is the same, byte for
byte on CPU, as that of a run that was never interrupted.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.host import Hook
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.run.records.scalars import CLOCKS, finite_or_none, scalars


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics file, up to one that is none: a kill may have cut the last one short."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            break
        if not isinstance(record, dict) or not isinstance(record.get("it"), int):
            break
        records.append(record)
    return records


def write_metrics(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by one of these records."""
    write_atomically(path, "".join(_line(record) for record in records))


def append_metrics(path: Path, record: Mapping[str, Any]) -> None:
    """Add a line, and have it on the disk."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(record))
        file.flush()
        os.fsync(file.fileno())


class MetricsHook(Hook):
    """Appends every number of ``log_dict`` to a file.

    The line of a checkpoint is on the disk before the checkpoint is: :func:`save_after_metrics`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def before_run(self, algorithm: HostAlgorithm) -> None:
        """Keep what belongs to the iterations already done."""
        records = [record for record in read_metrics(self.path) if record["it"] <= algorithm.it]
        # SPL's start has the iteration of the last training step.
        kept = {(record["it"], record.get("train/spl_round")): record for record in records}
        write_metrics(self.path, kept.values())

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        """Write a line where one is due; ``it`` counts finished iterations, from 1."""
        due = (algorithm.num_log_iter, algorithm.num_eval_iter)
        if not (any(self.every_n_iters(algorithm, n) for n in due) or self.is_last_iter(algorithm)):
            return
        values = {name: value for name, value in algorithm.log_dict.items() if name not in CLOCKS}
        numbers = {name: finite_or_none(value) for name, value in scalars(values).items()}
        append_metrics(self.path, {"it": algorithm.it + 1, **numbers})


def save_after_metrics(algorithm: HostAlgorithm) -> None:
    """Let the host's checkpoints follow whatever hooks have been registered by now."""
    # Registering takes the last of a name; the same object twice would stay twice, and a new one has no priority yet.
    hook = copy.copy(algorithm.hooks_dict["CheckpointHook"])
    del hook.priority, hook.name
    algorithm.register_hook(hook, "CheckpointHook", "LOWEST")


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record) + "\n"
