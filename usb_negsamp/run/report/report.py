"""``usb-negsamp report``: the tables, computed from results.csv alone."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.records.results import SWEPT, collect_rows
from usb_negsamp.run.report.markdown import markdown, update_block
from usb_negsamp.run.report.measures import common_measure, find_measure
from usb_negsamp.run.report.tables import make_tables

USAGE = """\
usage: usb-negsamp report RUN_OR_SWEEP ... [--by KEY,KEY] [--baseline NAME] [--measure NAME] [--also KEY,KEY]
                          [--markdown FILE] [--update FILE --table NAME]

Prints tables computed from the rows of results.csv: mean ± standard deviation of the test error over label splits, n,
and the selection rule. A place is a run, a sweep, a folder of those, or a results.csv. Runs of different protocols
(data, labels, network, iterations, batches) get a table each.

  --by KEY,KEY       the columns that name a line; default: algorithm, and what a sweep varied
  --baseline NAME    adds each line's difference to this one, paired over the label splits, with its 95% interval;
                     NAME is a value of the first column, or KEY=VALUE,KEY=VALUE
  --measure NAME     best: the model that was best on validation; last: the last model; median: over the last
                     num_last_evaluations evaluations; end: the network that SPL leaves, else the last
                     model; default: best where every run has it, else last
  --also KEY,KEY     further columns of numbers, e.g. open_auroc,pool_auroc,mismatch of runs on open-set splits, whose
                     mismatch_ratio is a column for --by, and else tells tables apart
  --markdown FILE    writes the tables there
  --update FILE      with --table NAME: replaces what is between <!-- table NAME --> and <!-- /table --> in FILE
"""

_OPTIONS = ("by", "baseline", "measure", "also", "markdown", "update", "table")


@dataclass
class _Request:
    places: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)


def report(words: Sequence[str]) -> int:
    """Print the tables that the command line asks for, and write them where it says; return the exit code.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    request = _parse(words)
    options = request.options
    measure = find_measure(options["measure"]) if "measure" in options else None
    rows = collect_rows(request.places)
    by = _columns("by", options["by"]) if "by" in options else _default_columns(rows)
    also = _columns("also", options["also"]) if "also" in options else []
    tables = make_tables(rows, by, measure or common_measure(rows), options.get("baseline"), also)
    text = "\n\n".join(markdown(table) for table in tables)
    print(text)
    if "markdown" in options:
        _write(Path(options["markdown"]), text)
    if "update" in options:
        command = shlex.join(["usb-negsamp", "report", *words])
        update_block(Path(options["update"]), options["table"], f"<!-- {_in_comment(command)} -->\n{text}")
    return 0


def _parse(words: Sequence[str]) -> _Request:
    request = _Request()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            request.places.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        if name not in _OPTIONS:
            raise unknown("option", f"--{name}", [f"--{option}" for option in _OPTIONS])
        if not equals:
            value = rest.pop(0) if rest and not rest[0].startswith("--") else ""
        if not value:
            raise ConfigError(f"--{name} needs a value")
        if name in request.options:
            raise ConfigError(f"--{name} is given twice")
        request.options[name] = value
    if not request.places:
        raise ConfigError(
            "report needs a run, a sweep, or a results.csv, e.g. usb-negsamp report saved_models/my_sweep"
        )
    if ("update" in request.options) != ("table" in request.options):
        raise ConfigError("--update FILE and --table NAME belong together")
    return request


def _columns(option: str, text: str) -> list[str]:
    columns = [name.strip().replace("-", "_") for name in text.split(",")]
    if not all(columns) or len(set(columns)) < len(columns):
        raise ConfigError(f"--{option}: expected different columns, separated by commas, but got {text!r}")
    return columns


def _default_columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the algorithm and whatever sweeps varied, but for the seeds."""
    columns = ["algorithm"]
    for row in rows:
        columns += [name for name in row.get(SWEPT, "").split() if name not in (*columns, "seed", "split_seed")]
    return columns


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text + "\n")
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}") from error


def _in_comment(text: str) -> str:
    # Two dashes and a bracket would end the comment early.
    return text.replace("-->", "-- >")
