"""metrics.jsonl: one JSON object a line, every ``num_log_iter`` and ``num_eval_iter`` iterations.

A resumed run drops the lines past its checkpoint first, and no clock is in the file, so that it is the same, byte for
byte on CPU, as that of a run that was never interrupted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from usb_negsamp.host import Hook
from usb_negsamp.run.records.atomic_write import write_atomically
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


class MetricsHook(Hook):
    """Appends every number of ``log_dict`` to a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def before_run(self, algorithm: Any) -> None:
        """Keep what belongs to the iterations already done."""
        kept = [record for record in read_metrics(self.path) if record["it"] <= algorithm.it]
        write_atomically(self.path, "".join(_line(record) for record in kept))

    def after_train_step(self, algorithm: Any) -> None:
        """Write a line where one is due; ``it`` counts finished iterations, from 1."""
        due = (algorithm.num_log_iter, algorithm.num_eval_iter)
        if not (any(self.every_n_iters(algorithm, n) for n in due) or self.is_last_iter(algorithm)):
            return
        values = {name: value for name, value in algorithm.log_dict.items() if name not in CLOCKS}
        record = {"it": algorithm.it + 1, **{name: finite_or_none(v) for name, v in scalars(values).items()}}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(record))


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record) + "\n"
