"""``usb-negsamp reproduce``: all runs of a table of a paper, and its figures beside those that were measured."""

from __future__ import annotations

import dataclasses
import functools
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.run.configuration.keys import affects_of
from usb_negsamp.run.configuration.packaged import plain_name
from usb_negsamp.run.configuration.resolution import read_sources
from usb_negsamp.run.records.directory import RESULTS
from usb_negsamp.run.sweep.grid import Request, make_plan
from usb_negsamp.run.sweep.papers.cited import Cited, cited_rows
from usb_negsamp.run.sweep.papers.paper_settings import overrides
from usb_negsamp.run.sweep.papers.paper_table import table_text
from usb_negsamp.run.sweep.papers.rows import PaperRow, chosen_rows
from usb_negsamp.run.sweep.papers.scales import SCALES, Scale
from usb_negsamp.run.sweep.plan import Plan, Run, resolve_and_check
from usb_negsamp.run.sweep.sweep import Sweep, check_place, run_plan
from usb_negsamp.run.sweep.workers import Launcher

SAVE_DIR = "./saved_models"
TABLE_FILE = "table.md"
OF_LENGTH = ("lr_decay_iters",)
"""Keys in iterations, which a preset makes of the length by itself."""


def reproduce(
    table: str,
    request: Request,
    *,
    scale: str = "full",
    only: str | None = None,
    within: str | None = None,
    save_dir: str | None = None,
    dry_run: bool = False,
) -> int:
    """Train a table and show it; return the exit code of the sweep.

    Args:
        table: its name, e.g. ``ns3l/table1``, or that of one of our configurations.
        request: what all runs share, and how they are worked off.
        scale: how large the runs are, a name in ``SCALES``.
        only: names, or words of names, of the configurations to train, between commas; None, all.
        within: as ``only``, of which ``only`` chooses; None, of all.
        save_dir: where the table's folder comes to be; None, the folder of all runs.
        dry_run: whether to print the commands and train nothing.

    Raises:
        ConfigError: no such table, no such configuration in it, or a run that cannot be.
    """
    size = SCALES[scale]
    given = request.given.keys() | request.grid.keys()
    rows = [_scaled(row, size) for row in chosen_rows(table, only, given, within)]
    directory = Path(save_dir or SAVE_DIR) / folder_name(table, size)
    of_all = dataclasses.replace(
        request,
        given={"save_dir": str(directory), **request.given},
        seeds=size.seeds if request.seeds is None else request.seeds,
    )
    check_place(of_all)
    plans = [make_plan(_request_of(row, of_all)) for row in rows]
    plan = _joined(directory, plans)
    cited = cited_rows(table) if only is None and within is None else ()
    if dry_run:
        for run in plan.runs:
            print(shlex.join(["usb-negsamp", "train", *run.argv]))
        for one in cited:
            print(f"cited: {one.method}, {one.expected}")
        return 0
    shown = [_with_overrides(row, request, one) for row, one in zip(rows, plans, strict=True)]
    configs = {row.name: one.runs[0].config for row, one in zip(rows, plans, strict=True)}
    return run_plan(plan, of_all, functools.partial(Reproduction, shown, configs, size, cited))


def folder_name(table: str, scale: Scale) -> str:
    """Return the name of a table's folder.

    >>> folder_name("ns3l/table1", SCALES["full"]), folder_name("ns3l/table1", SCALES["smoke"])
    ('ns3l_table1', 'ns3l_table1_smoke')
    """
    name = plain_name(table).replace("/", "_")
    return f"{name}_{scale.name}" if scale.about else name


def _scaled(row: PaperRow, scale: Scale) -> PaperRow:
    """The row with the keys that the scale changes, and those that would change with them: these keep its values.

    A preset chooses by the data set and the length: the ramps of a scaled run keep their share of it, its views and
    weights are those of the row.
    """
    if not scale.about:
        return row
    own = _config_of(row)
    wanted = scale.keys(own)
    scaled = _with(row, {key: value for key, value in wanted.items() if own.get(key) != value})
    found = _config_of(scaled)
    moved = {
        key: own[key]
        for key, value in found.items()
        if key not in wanted
        and key not in OF_LENGTH
        and key in own
        and own[key] != value
        and affects_of(key) == "result"
    }
    return _with(
        row, {**dict(scaled.scaled), **moved, **{key: wanted[key] for key in wanted if found[key] != wanted[key]}}
    )


def _with(row: PaperRow, keys: Mapping[str, Any]) -> PaperRow:
    return dataclasses.replace(row, scaled=tuple((key, str(value)) for key, value in keys.items()))


def _config_of(row: PaperRow) -> dict[str, Any]:
    """The row's configuration, with nothing that the user gave."""
    sources = read_sources(["--c", str(row.path)])
    return resolve_and_check(dataclasses.replace(sources, given=dict(row.given))).mapping


def _request_of(row: PaperRow, of_all: Request) -> Request:
    return dataclasses.replace(of_all, config_file=str(row.path), name=row.name, given={**row.given, **of_all.given})


def _with_overrides(row: PaperRow, request: Request, plan: Plan) -> PaperRow:
    if not request.given:
        return row
    return dataclasses.replace(row, overridden=overrides(request.given, plan.runs[0].config, _config_of(row)))


def _joined(directory: Path, plans: Sequence[Plan]) -> Plan:
    """One plan of all; its runs are named by their paths from ``directory``."""
    runs = [dataclasses.replace(run, name=f"{plan.directory.name}/{run.name}") for plan in plans for run in plan.runs]
    return Plan(directory, tuple(runs), {})


class Reproduction(Sweep):
    """The session of a table: a sweep whose summary has a line for each configuration.

    Args:
        table: its rows.
        configs: resolved, by the rows' names.
        scale: of its runs.
        cited: rows of the paper's that are not trained here.
    """

    def __init__(
        self,
        table: Sequence[PaperRow],
        configs: Mapping[str, Mapping[str, Any]],
        scale: Scale,
        cited: Sequence[Cited],
        plan: Plan,
        jobs: int,
        launcher: Launcher,
    ) -> None:
        super().__init__(plan, jobs, launcher)
        self.table = table
        self.configs = configs
        self.scale = scale
        self.cited = cited

    def figures(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> list[str]:
        """Write table.md, and return it with the places of the files."""
        of_config: dict[str, list[dict[str, str]]] = {row.name: [] for row in self.table}
        for run, row in rows:
            of_config[run.name.split("/")[0]].append(row)
        text = table_text(self.table, self.configs, of_config, self.scale, self.cited)
        write_atomically(self.plan.directory / TABLE_FILE, text + "\n")
        files = {"results": RESULTS, "table": TABLE_FILE}
        return [text, *(f"  {name:<11} {self.plan.directory / file}" for name, file in files.items())]
