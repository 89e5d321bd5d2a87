"""Labels from a file of two columns, ``file`` and ``label``, instead of folders' names.

Names of files are relative to the folder of the pictures. Further columns are not read.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from usb_negsamp.errors import ConfigError, expected, quoted

COLUMNS = ("file", "label")
MOST_IN_A_LINE = 3


class Labeled(NamedTuple):
    """A row.

    Attributes:
        file: as it is written.
        label: the name of its class.
        line: its number in the file, from 1.
    """

    file: str
    label: str
    line: int


def read_labels(path: Path) -> list[Labeled]:
    """Return the rows of the file ``path``, in their order, without space around names.

    Raises:
        ConfigError: no such file, no text in UTF-8, no such columns, no rows, or rows without a file or a label.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            found = [_name(name) for name in rows.fieldnames or ()]
            if any(column not in found for column in COLUMNS):
                raise expected(f"labels_csv {path}", "the columns file,label", ",".join(found) or "an empty file")
            rows.fieldnames = found
            labeled = [Labeled(_name(row["file"]), _name(row["label"]), rows.line_num) for row in rows]
    except OSError as error:
        raise ConfigError(f"labels_csv: cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"labels_csv {path}: expected text in UTF-8 with commas, but got: {error}") from error
    for column, lines in (
        ("file", [row.line for row in labeled if not row.file]),
        ("label", [row.line for row in labeled if not row.label]),
    ):
        if lines:
            raise expected(f"labels_csv {path}", f"a {column} in every row", f"none in {_lines(lines)}")
    if not labeled:
        raise ConfigError(f"labels_csv {path}: expected rows, but got none")
    return labeled


def check_each_named_once(path: Path, rows: Iterable[tuple[Labeled, str]]) -> None:
    """Refuse a file that has two rows.

    Args:
        path: of the labels, for the message.
        rows: each with the path of its file, without links.

    Raises:
        ConfigError: there are such, all of which are counted and the first ones named.
    """
    first: dict[str, Labeled] = {}
    twice: list[str] = []
    for row, real in rows:
        if real in first:
            twice.append(f"{row.file} (lines {first[real].line} and {row.line})")
        first.setdefault(real, row)
    if twice:
        raise expected(f"labels_csv {path}", "each file once", f"twice: {listed(twice)}")


def listed(names: list[str]) -> str:
    """The first names, and how many more there are.

    >>> listed(["a", "b", "c", "d", "e"]), listed(["a"])
    ('a, b, c and 2 more', 'a')
    """
    more = len(names) - MOST_IN_A_LINE
    return ", ".join(names[:MOST_IN_A_LINE]) + (f" and {more} more" if more > 0 else "")


def shown(name: str) -> str:
    """A name as a message shows it: as it is, or as Python writes it where it holds what cannot be seen."""
    return name if name.isprintable() and name else quoted(name)


def _name(text: str | None) -> str:
    return (text or "").strip()


def _lines(lines: list[int]) -> str:
    return f"line{'s' if len(lines) > 1 else ''} {listed([str(line) for line in lines])}"
