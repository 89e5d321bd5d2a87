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


def first_sentence(text: str) -> str:
    """Return the text up to the first full stop that ends a sentence.

    >>> first_sentence("13.94 ± .10% test error in the paper. Not measured here.")
    '13.94 ± .10% test error in the paper'
    """
    return _END_OF_SENTENCE.split(text)[0]
