"""Run a study: several methods on several data sets and label splits, one results row a run.

    python benchmarks/study.py benchmarks/studies/NAME.yaml --runs saved_models/studies [--jobs 2] [--only KEY=VALUE]

A study file has the keys ``common`` (of all runs), ``datasets`` and ``methods`` (a name, and the keys that it sets over
the common ones; a method wins over a data set) and ``seeds``; optionally ``settings``, a third list of the same kind.
Text may name other keys of its run in braces, and ``{runs}`` and ``{data}`` (the data set's name in the study).
Each run is what ``usb-negsamp train --key value ...`` makes of the merged keys, in the folder RUNS/NAME, with ``seed``
and ``split_seed`` both set to the seed, so that methods are paired. They are run as ``usb-negsamp sweep`` runs a grid:
all checked first, ``--jobs`` at a time; the same command again goes on. A run that starts from another one of the study
(``spl_from``) waits for it. ``--collect CSV`` runs nothing and writes a row for each finished run to one file, with the
columns of ``ABOUT``, of which ``usb-negsamp report`` makes tables.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.resolution import read_sources
from usb_negsamp.run.records.csv_file import write_csv
from usb_negsamp.run.records.directory import RESULTS
from usb_negsamp.run.sweep.grid import Request
from usb_negsamp.run.sweep.plan import Plan, Run, place_run, resolve_and_check
from usb_negsamp.run.sweep.run_state import last_row
from usb_negsamp.run.sweep.sweep import Sweep, check_place, run_plan
from usb_negsamp.yaml_file import read_yaml

ABOUT = ("study", "data", "setting", "method")
NEEDED, OPTIONAL = {"common", "datasets", "methods", "seeds"}, {"settings"}


class Cell(NamedTuple):
    """One run of a study: its names, its folder, and the keys of ``usb-negsamp train``."""

    names: dict[str, str]
    directory: Path
    keys: dict[str, Any]


def cells(path: Path, runs: Path) -> Iterator[Cell]:
    """Return the runs of a study file, all methods of one seed before the next seed.

    Raises:
        ConfigError: it is no study.
    """
    study = read_yaml(path)
    if not NEEDED <= set(study) <= NEEDED | OPTIONAL:
        raise ConfigError(
            f"{path} must have the keys {', '.join(sorted(NEEDED))}, and may have settings; it has "
            f"{', '.join(study) or 'none'}"
        )
    settings = study.get("settings") or {"": {}}
    for seed, dataset, setting, method in itertools.product(
        study["seeds"], study["datasets"], settings, study["methods"]
    ):
        chosen = (study["common"], study["datasets"][dataset], settings[setting], study["methods"][method])
        keys: dict[str, Any] = {}
        for part in chosen:
            keys.update(part or {})
        save_dir = runs / path.stem
        save_name = "-".join(part for part in (dataset, setting, method, str(seed)) if part).replace(" ", "")
        keys.update(seed=seed, split_seed=seed, save_dir=str(save_dir), save_name=save_name)
        names = {**keys, "runs": runs, "data": dataset}
        keys = {key: _filled(value, names) for key, value in keys.items() if value is not None}
        about = dict(zip(ABOUT, (path.stem, dataset, setting, method), strict=True))
        yield Cell(about, save_dir / save_name, keys)


def chosen_cells(path: Path, runs: Path, only: str) -> list[Cell]:
    """Return the cells whose keys or names are those of ``only``, ``KEY=VALUE,KEY=VALUE``.

    Raises:
        ConfigError: there are none, or that is not how it is written.
    """
    parts = [part.partition("=") for part in only.split(",") if part]
    if not all(equals for _, equals, _ in parts):
        raise ConfigError(f"--only: expected KEY=VALUE,KEY=VALUE, got {only!r}")
    chosen = [
        cell
        for cell in cells(path, runs)
        if all(str({**cell.keys, **cell.names}.get(key)) == value for key, _, value in parts)
    ]
    if not chosen:
        raise ConfigError(f"{path} has no run" + (f" with {only}" if only else ""))
    return chosen


def _filled(value: Any, names: dict[str, Any]) -> Any:
    return value.format_map(names) if isinstance(value, str) else value


def plan_of(chosen: Sequence[Cell], directory: Path, *, to_start: bool = True) -> Plan:
    """Return the runs, every one resolved and checked.

    Args:
        chosen: the cells to run.
        directory: the study's folder.
        to_start: whether runs of other studies that they start from must be there.

    Raises:
        ConfigError: the first cell that cannot run, and why.
    """
    import usb_negsamp

    usb_negsamp.register()
    planned: list[Run] = []
    for cell in chosen:
        given: dict[str, str | None] = {key: str(value) for key, value in cell.keys.items()}
        file, source = given.pop("c", None), given.get("spl_from", "")
        after = frozenset(run.directory for run in planned if str(run.directory) == source)
        try:
            sources = dataclasses.replace(read_sources(["--c", file] if file else []), given=given)
            resolved = resolve_and_check(sources, source_is_there=to_start and not after)
        except ConfigError as error:
            raise ConfigError(f"{cell.directory.name}: {error}") from error
        planned.append(place_run(sources, resolved, cell.directory, after=after))
    return Plan(directory, tuple(planned), {})


class Study(Sweep):
    """The session of a study: a sweep whose summary names its rows alone."""

    def figures(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> list[str]:
        """Return the place of the rows; ``--collect`` makes a table of them."""
        return [f"  results     {self.plan.directory / RESULTS}"]


def collect(chosen: Sequence[Cell], plan: Plan, out: Path) -> None:
    """Write one row for each finished run."""
    found = zip(chosen, map(last_row, plan.runs), strict=True)
    rows = [{**cell.names, **row} for cell, row in found if row is not None]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_csv(out, list(dict.fromkeys([*ABOUT, *(name for row in rows for name in row)])), rows)
    print(f"{out}: {len(rows)} rows of {len(chosen)} runs")


def main() -> int:
    """Run or collect the study that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--only", default="", help="KEY=VALUE,KEY=VALUE of the runs' keys or names")
    parser.add_argument("--overwrite", action="store_true", help="make runs anew that are there already")
    parser.add_argument("--collect", type=Path, help="write the rows of the finished runs there, and run nothing")
    options = parser.parse_args()
    request = Request(None, {}, {}, jobs=max(1, options.jobs), overwrite=options.overwrite)
    try:
        check_place(request)
        chosen = chosen_cells(options.study, options.runs, options.only)
        plan = plan_of(chosen, options.runs / options.study.stem, to_start=options.collect is None)
        if options.collect:
            collect(chosen, plan, options.collect)
            return 0
        return run_plan(plan, request, Study)
    except ConfigError as error:
        print(f"study.py: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
