"""What our configuration files say of themselves: which row of which table of a paper they train.

A header is the comment at the top of a file: what is trained, then ``Paper:``, ``Expected:``, ``Time:`` and
``Command:``, whose text may go on over lines that are indented. ``Paper:`` names the paper and behind it the tables and
figures::

    # VAT on CIFAR-10, six classes seen, mismatch 0.3.
    # Paper:    Authors, title, venue, Table 1; Figure 2.
    # Expected: 76.9% test accuracy in the paper. Not measured here.
    # Variants: --mismatch_ratio 0.6: 75.0% test accuracy in the paper;
    #           --mismatch_ratio 0 0.1 0.2 (Figure 2): no number in the paper
    # Time:     not measured.
    # Command:  usb-negsamp train --c config/...

``Interval:``, which a file need not have, is where the test error of its run lies on an installation that works, read
by ``usb-negsamp verify``: two numbers, and the rule by which the model is chosen, in the words of ``report``::

    # Interval: 1.3 to 9.4% test error, best on validation.

``Variants:`` are further rows or points of the same file: keys, each with one value or several, and what is expected of
them. Those with a table or a figure in parentheses belong to that one alone, the others to all of the file's.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from usb_negsamp.errors import ConfigError

FIELDS = ("Paper", "Expected", "Time", "Command")

_FIELD = re.compile(rf"# ({'|'.join((*FIELDS, 'Interval', 'Variants'))}):\s+(.*)")
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?) to (\d+(?:\.\d+)?)% test error, (.+)")
_PLACE = re.compile(r"\b(Table|Figure)s? (\d+)(?: and (\d+))?")
_VARIANT = re.compile(r"(?P<keys>--[^:()]+?)(?: \((?P<place>[^)]*)\))?: (?P<expected>.+)")
_END_OF_SENTENCE = re.compile(r"\.(?=\s|$)")


@dataclass(frozen=True)
class Variant:
    """A further row of a table, by the same file and a few keys.

    Attributes:
        keys: with their values, as texts.
        tables: where it belongs, as those of its header.
        expected: the expected figure.
    """

    keys: tuple[tuple[str, str], ...]
    tables: tuple[str, ...]
    expected: str

    @property
    def name(self) -> str:
        """What is added to a file's name.

        >>> Variant((("mismatch_ratio", "0.6"), ("num_labels", "600")), (), "").name
        'mismatch_ratio=0.6_num_labels=600'
        """
        return "_".join(f"{key}={value}" for key, value in self.keys)

    @property
    def words(self) -> list[str]:
        """The keys as words of a command line."""
        return [word for key, value in self.keys for word in (f"--{key}", value)]


@dataclass(frozen=True)
class Interval:
    """Where the test error of a file's run lies on an installation that works.

    Attributes:
        low: in percent.
        high: in percent.
        rule: by which the model is chosen.
    """

    low: float
    high: float
    rule: str

    def holds(self, error: float) -> bool:
        """Whether a test error in percent, shown with one digit after the point, is in it; the ends are."""
        return self.low <= round(error, 1) <= self.high

    def __str__(self) -> str:
        """As in a header."""
        return f"{self.low:.1f} to {self.high:.1f}% test error, {self.rule}"


@dataclass(frozen=True)
class Header:
    """What a configuration file says of itself.

    Attributes:
        title: what is trained, on what.
        paper: the paper, without its tables.
        tables: the tables and figures it belongs to, as ``Table 1``; empty where it is of none.
        expected: the expected figure, and where it comes from.
        time: how long it takes.
        command: the command that trains it.
        variants: further rows that the file trains with a few keys more.
        interval: of its test error on an installation that works; None where nobody has measured it.
    """

    title: str
    paper: str
    tables: tuple[str, ...]
    expected: str
    time: str
    command: str
    variants: tuple[Variant, ...] = ()
    interval: Interval | None = None


def read_header(path: Path) -> Header:
    """Return the header of the configuration file ``path``.

    Raises:
        ConfigError: a part of the header is missing, or its variants or interval are not of the form above.
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
    first = _PLACE.search(where)
    tables = _places(where)
    return Header(
        title=parts["title"].removesuffix("."),
        paper=(where[: first.start()] if first else where).rstrip(" ,;(").removesuffix("."),
        tables=tables,
        expected=parts["Expected"],
        time=parts["Time"],
        command=parts["Command"],
        variants=tuple(_variants(parts.get("Variants", ""), tables, path)),
        interval=_interval(parts["Interval"], path) if "Interval" in parts else None,
    )


def _interval(text: str, path: Path) -> Interval:
    found = _INTERVAL.fullmatch(first_sentence(text))
    if not found or float(found[1]) > float(found[2]):
        raise ConfigError(f"{path}: expected an interval as '1.3 to 9.4% test error, RULE', but got {text!r}")
    return Interval(float(found[1]), float(found[2]), found[3])


def _places(text: str) -> tuple[str, ...]:
    return tuple(f"{match[1]} {number}" for match in _PLACE.finditer(text) for number in re.findall(r"\d+", match[0]))


def _variants(text: str, tables: tuple[str, ...], path: Path) -> Iterator[Variant]:
    for part in filter(None, (part.strip() for part in text.split(";"))):
        found = _VARIANT.fullmatch(part)
        if not found:
            raise ConfigError(
                f"{path}: expected variants as '--key value ...: what is expected' between ';', but got {part!r}"
            )
        values = [group.split() for group in found["keys"].split("--") if group.strip()]
        places = _places(found["place"]) if found["place"] else tables
        for chosen in itertools.product(*(texts for _, *texts in values)):
            keys = tuple(zip((key for key, *_ in values), chosen, strict=True))
            yield Variant(keys, places, found["expected"].removesuffix("."))


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
