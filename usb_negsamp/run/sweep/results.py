"""results.csv of a sweep: the rows of its finished runs, and the values that were varied."""

from __future__ import annotations

from typing import Any

from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.run.records.directory import MANIFEST, RESULTS
from usb_negsamp.run.records.manifest import read_manifest
from usb_negsamp.run.records.results import COLUMNS, COPY_OF, OF_POOL, SWEPT, read_rows
from usb_negsamp.run.sweep.plan import Plan, Run
from usb_negsamp.run.sweep.run_state import last_row

Row = dict[str, str]


class SweepResults:
    """The rows of a plan's finished runs, in its order, and its results.csv.

    Runs in the folder that are not in the plan (of a larger grid, earlier) keep their rows.
    """

    def __init__(self, plan: Plan) -> None:
        """Read what is there; later runs are read one by one, since a plan may have thousands."""
        self.plan = plan
        self._rows = {run.name: row for run in plan.runs if (row := last_row(run)) is not None}
        self._others = _rows_below(plan)
        path = plan.directory / RESULTS
        before = read_rows(path) if path.is_file() else []
        earlier = (key for row in before for key in row.get(SWEPT, "").split())
        self._swept = list(dict.fromkeys([*plan.grid, *earlier]))
        self._configs = {name: self._config(name) for name in (*self._rows, *self._others)} if self._swept else {}

    @property
    def finished(self) -> list[tuple[Run, Row]]:
        """The plan's finished runs with their rows."""
        return [(run, self._rows[run.name]) for run in self.plan.runs if run.name in self._rows]

    @property
    def cells(self) -> list[tuple[Run, Row]]:
        """The same, and behind each those that it stands for, with copies of its row."""
        return [
            cell
            for run, row in self.finished
            for cell in ((run, row), *((other, copied_row(row, run, other)) for other in run.also))
        ]

    def take(self, run: Run) -> Row | None:
        """Return the row of a run that has ended, and write the file anew; None where the run has not finished."""
        self._rows.pop(run.name, None)
        row = last_row(run)
        if row is not None:
            self._rows[run.name] = row
            self._configs[run.name] = self._config(run.name)
            self.write()
        return row

    def write(self) -> None:
        """Write the file, if a run has finished."""
        in_order = {run.name: row for run, row in self.cells}
        configs = {**self._configs, **{other.name: other.config for run in self.plan.runs for other in run.also}}
        everything: list[dict[str, Any]] = []
        for name, row in {**in_order, **self._others}.items():
            config = configs.get(name, {})
            values = {key: config[key] for key in self._swept if key in config and key not in row}
            everything.append({**self.plan.names.get(name, {}), **row, **values, SWEPT: " ".join(self._swept)})
        if everything:
            named = (key for names in self.plan.names.values() for key in names)
            columns = dict.fromkeys([*named, *(key for key in self._swept if key not in COLUMNS), SWEPT, *COLUMNS])
            columns.update(dict.fromkeys(name for row in everything for name in row))
            write_csv(self.plan.directory / RESULTS, list(columns), everything)

    def _config(self, name: str) -> dict[str, Any]:
        return dict(read_manifest(self.plan.directory / name / MANIFEST).get("config", {}))


def copied_row(row: Row, run: Run, other: Run) -> Row:
    """Return the row of ``run`` as that of ``other``, which would compute the same, but on other unlabeled images.

    What was measured on the unlabeled images of ``run``, and the digest of its split, are left out.
    """
    values = {key: str(value) for key, value in other.point.items() if key in COLUMNS and value != run.point[key]}
    return {**row, **dict.fromkeys((*OF_POOL, "split_digest"), ""), **values, COPY_OF: run.name}


def _rows_below(plan: Plan) -> dict[str, Row]:
    """Return the last row of every finished run below the folder that is not in the plan, by its path from there."""
    planned = {cell.name for cell in plan.cells}
    found = {}
    for path in sorted(plan.directory.rglob(RESULTS)):
        name = path.parent.relative_to(plan.directory).as_posix()
        if name not in planned and read_manifest(path.parent / MANIFEST).get("exit_reason") == "finished":
            rows = read_rows(path)
            if rows:
                found[name] = rows[-1]
    return found
