"""The page's beginning where it is about several runs: all of them in a table, over each other, and what differs."""

from __future__ import annotations

from collections.abc import Sequence

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.report.comparison import differing, paired_tables
from usb_negsamp.run.report.markdown import caption, cells
from usb_negsamp.run.report.page.charts import line_chart
from usb_negsamp.run.report.page.parts import Cell, RunPart, Section, Table, table
from usb_negsamp.run.report.page.run_part import Looked
from usb_negsamp.run.report.page.training_sections import EVALUATION, series

MOST_KEYS = 12
"""Keys that differ which are shown at once; more are shown on request."""
MOST_LINES = 16
"""Runs whose curves lie over each other."""


def overview(looked: Sequence[Looked], parts: Sequence[RunPart]) -> Section:
    """All runs beside each other; ``parts`` are theirs on the page."""
    names = [part.name for part in parts]
    tables = [_runs(looked, parts)]
    notes = []
    try:
        tables += _errors(looked, names)
    except ConfigError as error:
        notes.append(f"No paired differences: {error}.")
    keys = differing([one.facts.config for one in looked])
    if keys:
        rows = [[key, *values] for key, values in keys.items()]
        title = "What differs in the configurations, of what affects the result"
        tables.append(table(title, ["key", *names], rows, folded=len(rows) > MOST_KEYS))
    else:
        notes.append("The configurations differ in nothing that affects the result.")
    lines = [series(one.facts.metrics, EVALUATION, name) for one, name in zip(looked, names, strict=True)]
    there = [line for line in lines if len(line.x)]
    charts = []
    if there:
        note = "" if len(there) <= MOST_LINES else f"The first {MOST_LINES} of {len(there)} runs."
        shown = there[:MOST_LINES]
        charts.append(line_chart("Evaluation accuracy", shown, "iteration", "right", percent=True, note=note))
    return Section("All runs", tuple(notes), tuple(charts), tuple(tables))


def _runs(looked: Sequence[Looked], parts: Sequence[RunPart]) -> Table:
    """A row for each run, to be sorted, whose head leads to it."""
    figures = list(dict.fromkeys(name for part in parts for name, _ in part.figures))
    rows = []
    for one, part in zip(looked, parts, strict=True):
        config, found = one.facts.config, dict(part.figures)
        texts = [str(config.get("algorithm", "")), _seed(one), part.state.kind]
        row = [Cell(part.name), *map(Cell, texts)]
        row += [Cell(found.get(name, ""), _key(name, found.get(name, ""), one)) for name in figures]
        rows.append(tuple(row))
    head = ("run", "algorithm", "seed", "state", *figures)
    return Table("The runs", head, tuple(rows), sortable=True, targets=tuple(part.anchor for part in parts))


def _seed(one: Looked) -> str:
    seed, split = one.facts.config.get("seed", ""), one.facts.config.get("split_seed")
    return str(seed) if split is None or split == seed else f"{seed} (split {split})"


def _key(name: str, text: str, one: Looked) -> str:
    """By what a figure is sorted: its number."""
    if name == "time" and text:
        return str(one.facts.row.get("seconds") or one.facts.manifest.get("wall_seconds") or "")
    return text.removesuffix("%")


def _errors(looked: Sequence[Looked], names: Sequence[str]) -> list[Table]:
    """Tables of the test errors of those that have finished; nothing where there are fewer than two."""
    there = [(name, one) for name, one in zip(names, looked, strict=True) if one.facts.row and one.facts.config]
    if len(there) < 2:
        return []
    configs = [one.facts.config for _, one in there]
    found = paired_tables([name for name, _ in there], configs, [one.facts.row for _, one in there])
    return [table(caption(one), cells(one).head, cells(one).rows) for one in found]
