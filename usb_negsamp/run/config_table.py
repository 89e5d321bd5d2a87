"""The tables of ``config/README.md``: a table of a paper each, from the headers of our configuration files.

A header is the comment at the top of a file: what is trained, then ``Paper:``, ``Expected:``, ``Time:`` and
``Command:``, whose text may go on over lines that are indented. ``Paper:`` names the paper and behind it the tables::

    # VAT + NS3L on CIFAR-10, 4,000 labels.
    # Paper:    Authors, title, venue, Table 1, CIFAR10; Table 2.
    # Expected: 13.94 ± .10% test error in the paper. Not measured here.
    # Time:     not measured.
    # Command:  usb-negsamp train --c config/...
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.patch import packaged_folder

FIELDS = ("Paper", "Expected", "Time", "Command")

_FIELD = re.compile(rf"# ({'|'.join(FIELDS)}):\s+(.*)")
_TABLE = re.compile(r"\bTables? (\d+)(?: and (\d+))?")
_END_OF_SENTENCE = re.compile(r"\.(?=\s|$)")


@dataclass(frozen=True)
class Header:
    """What a configuration file says of itself.

    Attributes:
        title: what is trained, on what.
        paper: the paper, without its tables.
        tables: numbers of the tables it belongs to; empty where it is of none.
        expected: the expected figure, and where it comes from.
        time: how long it takes.
        command: the command that trains it.
    """

    title: str
    paper: str
    tables: tuple[int, ...]
    expected: str
    time: str
    command: str


def read_header(path: Path) -> Header:
    """Return the header of the configuration file ``path``.

    Raises:
        ConfigError: a part of the header is missing.
    """
    parts = {"title": ""}
    current = "title"
    for line in _comment_lines(path):
        found = _FIELD.match(line)
        if found:
            current = found[1]
        text = found[2] if found else line.lstrip("# ")
        parts[current] = f"{parts.get(current, '')} {text}".strip()
    for name in ("title", *FIELDS):
        if not parts.get(name):
            raise ConfigError(f"{path} has no {name if name == 'title' else name + ':'} in the comment at its top")
    where = parts["Paper"]
    first = _TABLE.search(where)
    return Header(
        title=parts["title"].removesuffix("."),
        paper=(where[: first.start()] if first else where).rstrip(" ,;(").removesuffix("."),
        tables=tuple(int(number) for match in _TABLE.finditer(where) for number in re.findall(r"\d+", match[0])),
        expected=parts["Expected"],
        time=parts["Time"],
        command=parts["Command"],
    )


def _comment_lines(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            return
        yield line


def config_paths() -> list[str]:
    """Return the paths of our configuration files, as commands name them in the repository: ``config/...``."""
    folder = packaged_folder("config")
    return sorted(f"config/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*.yaml"))


def config_tables(folder: Path | None = None) -> str:
    """Return the content of ``config/README.md``: every file in a folder of ``folder``, by paper and table.

    Files directly in ``folder`` stand in the main README. The first sentence of ``Expected:`` is a row's figure. A
    file of two tables stands in both.

    Args:
        folder: where the files are; None, our own.

    Raises:
        ConfigError: a file has no complete header.
    """
    folder = folder or packaged_folder("config")
    rows: dict[tuple[str, str, int], list[str]] = {}
    for path in sorted(folder.glob("*/**/*.yaml")):
        header = read_header(path)
        name = path.relative_to(folder).with_suffix("").as_posix()
        figure = first_sentence(header.expected)
        row = f"| [`{name}`]({name}.yaml) | {_cell(header.title)} | {_cell(figure)} |"
        for table in header.tables or (0,):
            rows.setdefault((name.split("/")[0], header.paper, table), []).append(row)
    blocks = [
        "# Configurations by the papers' tables",
        "Written by `usb-negsamp list configs --markdown` from the headers of the files, which say more: what the "
        "figure is a mean of, what the paper leaves open, how long a run takes, and the command. `usb-negsamp "
        "reproduce ns3l/table1` trains a table and shows its figures beside the measured ones. The files directly in "
        "this folder stand in the [README](../README.md).",
    ]
    for (_, paper, table), lines in sorted(rows.items()):
        blocks.append(f"## {paper}" + (f", Table {table}" if table else ""))
        blocks.append("\n".join(["| config | what | expected |", "|---|---|---|", *lines]))
    return "\n\n".join(blocks)


def first_sentence(text: str) -> str:
    """Return the text up to the first full stop that ends a sentence.

    >>> first_sentence("13.94 ± .10% test error in the paper. Not measured here.")
    '13.94 ± .10% test error in the paper'
    """
    return _END_OF_SENTENCE.split(text)[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
