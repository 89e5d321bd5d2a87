"""``usb-negsamp reproduce STUDY``: a study's runs, worked off as those of a sweep, and its tables."""

from __future__ import annotations

import dataclasses
import functools
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError, expected, quoted, unknown
from usb_negsamp.run.configuration.resolution import read_sources
from usb_negsamp.run.records.directory import RESULTS
from usb_negsamp.run.report.markdown import markdown
from usb_negsamp.run.report.measures import common_measure, find_measure
from usb_negsamp.run.report.tables import make_tables
from usb_negsamp.run.sweep.grid import Request
from usb_negsamp.run.sweep.plan import Plan, Run, place_run, resolve_and_check
from usb_negsamp.run.sweep.studies.study_file import ABOUT, Cell, Study
from usb_negsamp.run.sweep.sweep import Sweep, check_place, run_plan
from usb_negsamp.run.sweep.workers import Launcher

TABLE_FILE = "table.md"


def reproduce_study(
    study: Study, request: Request, *, only: str | None = None, save_dir: Path, dry_run: bool = False
) -> int:
    """Train a study, or a part of it, and show its tables; return the exit code of the sweep.

    Each run is what ``usb-negsamp train --key value ...`` makes of the study's keys. All are checked first. One that
    starts from another of the study (``spl_from``) waits for it.

    Args:
        study: what is compared.
        request: what all runs share over the study's keys, and how they are worked off.
        only: ``KEY=VALUE,KEY=VALUE`` of the names or the keys of the runs to train, a key once for each of its values;
            None, all.
        save_dir: where the study's folder comes to be.
        dry_run: whether to print the commands and train nothing.

    Raises:
        ConfigError: a run that cannot be, or ``only`` and ``seeds`` leave none.
    """
    check_place(request)
    chosen = chosen_cells(study, save_dir, only, request.seeds)
    plan = plan_of(study, chosen, save_dir, request.given, to_start=not dry_run)
    if dry_run:
        for run in plan.runs:
            print(shlex.join(["usb-negsamp", "train", *run.argv]))
        return 0
    return run_plan(plan, request, functools.partial(StudySession, study))


def chosen_cells(study: Study, save_dir: Path, only: str | None = None, seeds: int | None = None) -> list[Cell]:
    """Return the cells of the first ``seeds`` seeds that have one of the values of each key of ``only``.

    Raises:
        ConfigError: there are none, ``only`` has a key or a value that no cell has, or is not ``KEY=VALUE,KEY=VALUE``,
            or the study has fewer seeds.
    """
    if seeds is not None and seeds > len(study.seeds):
        raise expected("--seeds", f"at most {len(study.seeds)}, which {study.name} has", str(seeds))
    cells = list(study.cells(save_dir))
    described = [{key: str(value) for key, value in {**cell.keys, **cell.names}.items()} for cell in cells]
    wanted = _wanted(only or "")
    for key, values in wanted.items():
        there = {description[key] for description in described if key in description}
        if not there:
            raise unknown(f"name or key of {study.name} in --only", key, {key for each in described for key in each})
        for value in values:
            if value not in there:
                raise unknown(f"{key} of {study.name}", value, there)
    found = [
        cell
        for cell, description in zip(cells, described, strict=True)
        if cell.keys["seed"] in study.seeds[:seeds]
        and all(description.get(key) in values for key, values in wanted.items())
    ]
    if not found:
        raise ConfigError(f"{study.name} has no run with {only}")
    return found


def _wanted(only: str) -> dict[str, list[str]]:
    """Values by key; a comma within a name, as of "VAT, V1", is followed by no key."""
    wanted: dict[str, list[str]] = {}
    for part in re.split(r",(?=\s*\w+=)", only) if only else []:
        key, equals, value = part.strip().partition("=")
        if not equals:
            raise expected("--only", "KEY=VALUE,KEY=VALUE for a study, e.g. method=VAT", quoted(only))
        wanted.setdefault(key, []).append(value)
    return wanted


def plan_of(
    study: Study, chosen: Sequence[Cell], save_dir: Path, given: Mapping[str, str | None], *, to_start: bool = True
) -> Plan:
    """Return the runs, every one resolved and checked.

    Args:
        study: what they are of; its other runs that lie in its folder keep their rows.
        chosen: the cells to run.
        save_dir: where the study's folder comes to be.
        given: keys and texts that all runs share, over the study's.
        to_start: whether runs of other studies that they start from must be there.

    Raises:
        ConfigError: the first cell that cannot run, and why.
    """
    import usb_negsamp

    usb_negsamp.register()
    planned: list[Run] = []
    for cell in chosen:
        keys: dict[str, str | None] = {**{key: str(value) for key, value in cell.keys.items()}, **given}
        file, source = keys.pop("c", None), keys.get("spl_from") or ""
        after = frozenset(run.directory for run in planned if str(run.directory) == source)
        try:
            sources = dataclasses.replace(read_sources(["--c", file] if file else []), given=keys)
            resolved = resolve_and_check(sources, source_is_there=to_start and not after)
        except ConfigError as error:
            raise ConfigError(f"{cell.directory.name}: {str(error).removeprefix('command line: ')}") from error
        planned.append(place_run(sources, resolved, cell.directory, after=after))
    names = {cell.directory.name: cell.names for cell in study.cells(save_dir)}
    return Plan(save_dir / study.name, tuple(planned), {}, names)


class StudySession(Sweep):
    """The session of a study: a sweep whose summary is a table for each data set and setting.

    Args:
        study: what is compared.
    """

    def __init__(self, study: Study, plan: Plan, jobs: int, launcher: Launcher) -> None:
        super().__init__(plan, jobs, launcher)
        self.study = study

    def figures(self, rows: Sequence[tuple[Run, dict[str, str]]]) -> list[str]:
        """Write table.md, and return it with the places of the files."""
        text = study_tables(self.study, [{**self.plan.names[run.name], **row} for run, row in rows])
        write_atomically(self.plan.directory / TABLE_FILE, text + "\n")
        files = {"results": RESULTS, "table": TABLE_FILE}
        return [text, *(f"  {name:<11} {self.plan.directory / file}" for name, file in files.items())]


def study_tables(study: Study, rows: Sequence[Mapping[str, str]]) -> str:
    """Return a table of the methods for each data set and setting that has rows.

    Args:
        study: what is compared.
        rows: results, with the columns of ``ABOUT``.
    """
    parts = [study.title]
    for data in study.datasets:
        for setting in study.settings:
            members = [row for row in rows if row[ABOUT[1]] == data and row[ABOUT[2]] == setting]
            if members:
                heading = ", ".join(part for part in (data, setting) if part)
                parts += [f"### {heading}"] if heading else []
                parts.append(_table(study, members))
    return "\n\n".join(parts)


def _table(study: Study, rows: Sequence[Mapping[str, str]]) -> str:
    method = ABOUT[3]
    measure = find_measure(study.measure) if study.measure else common_measure(rows)
    baseline = study.baseline if study.baseline in {row[method] for row in rows} else None
    return "\n\n".join(map(markdown, make_tables(rows, [method], measure, baseline and {method: baseline})))
