"""results.csv of a sweep: the rows of its finished runs, and the values that were varied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.run.records.directory import MANIFEST, RESULTS
from usb_negsamp.run.records.manifest import read_manifest
from usb_negsamp.run.records.results import COLUMNS, SWEPT, read_rows
from usb_negsamp.run.sweep.grid import Plan, Run
from usb_negsamp.run.sweep.run_state import last_row


def write_results(plan: Plan) -> list[tuple[Run, dict[str, str]]]:
    """Write the sweep's results.csv and return the plan's finished runs with their rows.

    Runs in the folder that are not in the plan (of a larger grid, earlier) keep their rows.
    """
    path = plan.directory / RESULTS
    rows = {run.name: row for run in plan.runs if (row := last_row(run)) is not None}
    others = {name: row for name, row in _rows_below(plan.directory).items() if name not in {r.name for r in plan.runs}}
    before = read_rows(path) if path.is_file() else []
    swept = list(plan.grid)
    for row in before:
        swept += [key for key in row.get(SWEPT, "").split() if key not in swept]
    everything: list[dict[str, Any]] = []
    for name, row in {**rows, **others}.items():
        config = read_manifest(plan.directory / name / MANIFEST).get("config", {})
        values = {key: _text(config[key]) for key in swept if key in config and key not in row}
        everything.append({**row, **values, SWEPT: " ".join(swept)})
    if everything:
        columns = dict.fromkeys([*(key for key in swept if key not in COLUMNS), SWEPT, *COLUMNS])
        columns.update(dict.fromkeys(name for row in everything for name in row))
        write_csv(path, list(columns), everything)
    return [(run, rows[run.name]) for run in plan.runs if run.name in rows]


def _rows_below(directory: Path) -> dict[str, dict[str, str]]:
    """Return the last row of every finished run below the folder, by the run's name, which is its path from there."""
    found = {}
    for path in sorted(directory.rglob(RESULTS)):
        if read_manifest(path.parent / MANIFEST).get("exit_reason") != "finished":
            continue
        rows = read_rows(path)
        if rows:
            found[path.parent.relative_to(directory).as_posix()] = rows[-1]
    return found


def _text(value: Any) -> Any:
    """Return a value as the run's own row would have it."""
    return "" if value is None else value
