"""``usb-negsamp report``: the tables, computed from results.csv alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.results import SWEPT, collect_rows
from usb_negsamp.run.report.latex import latex
from usb_negsamp.run.report.markdown import markdown, update_block
from usb_negsamp.run.report.measures import common_measure, find_measure
from usb_negsamp.run.report.tables import make_tables


@dataclass(frozen=True)
class Destination:
    """Where the tables go beside the console.

    Attributes:
        markdown: a file of their own.
        update: a file of which one block is replaced.
        table: the block's name.
        command: what makes the tables again, said in the block.
    """

    markdown: Path | None = None
    update: Path | None = None
    table: str | None = None
    command: str = ""


def report(
    places: Sequence[str],
    *,
    by: Sequence[str] | None = None,
    baseline: str | None = None,
    measure: str | None = None,
    also: Sequence[str] = (),
    to: Destination | None = None,
    as_latex: bool = False,
) -> None:
    """Print the tables of what has finished in ``places``, and write them where ``to`` says.

    Args:
        places: runs, sweeps, folders of those, or files results.csv.
        by: the columns that name a line; None, the algorithm and whatever sweeps varied.
        baseline: a value of the first column, or ``KEY=VALUE,...``, of the line that the others are compared with.
        measure: the name of a measure; None, the first that every run has.
        also: further columns of numbers.
        to: further places for the tables.
        as_latex: whether to print them, and to write ``to.markdown``, as LaTeX.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    shown = find_measure(measure) if measure is not None else None
    rows = collect_rows(places)
    columns = list(by) if by is not None else _default_columns(rows)
    tables = make_tables(rows, columns, shown or common_measure(rows), baseline, list(also))
    text = "\n\n".join((latex if as_latex else markdown)(table) for table in tables)
    print(text)
    if to is not None and to.markdown is not None:
        _write(to.markdown, text)
    if to is not None and to.update is not None and to.table is not None:
        block = "\n\n".join(markdown(table) for table in tables)
        update_block(to.update, to.table, f"<!-- {_in_comment(to.command)} -->\n{block}")


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
