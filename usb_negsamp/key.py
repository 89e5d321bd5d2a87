"""A configuration key: one row that validation, documentation, resume, sweeps and listings all read.

Loads nothing heavy: the command line reads the table before torch is there.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from usb_negsamp.errors import did_you_mean, expected, quoted

Affects = Literal["result", "start", "length", "session", "place"]
"""What another value of a key changes: what a run computes; what it starts from; how long it trains and how often it is
evaluated; by what means, from which folders, and what it shows; or where its own files lie and how it begins there.

A resumed run may differ in all but its result, a sweep that goes on in session and place alone."""


class Range(NamedTuple):
    """Values that a key may have, and the words for them, which follow those of its type."""

    holds: Callable[[Any], bool]
    words: str


POSITIVE = Range(lambda value: value > 0, "above 0")
NOT_NEGATIVE = Range(lambda value: value >= 0, "of at least 0")
AT_LEAST_ONE = Range(lambda value: value >= 1, "of at least 1")
AT_LEAST_TWO = Range(lambda value: value >= 2, "of at least 2")
SHARE = Range(lambda value: 0 <= value <= 1, "from 0 to 1")
SHARE_ABOVE_0 = Range(lambda value: 0 < value <= 1, "above 0 and at most 1")
SHARE_BETWEEN = Range(lambda value: 0 < value < 1, "between 0 and 1, both excluded")
BELOW_ONE = Range(lambda value: 0 <= value < 1, "from 0 to below 1")
SEED = Range(lambda value: 0 <= value < 2**32, "from 0 to 4294967295")

LARGEST: dict[Any, float] = {int: 2**32 - 1, float: 1e30}
"""The largest size that a number of each type may have: more overflows the host's arithmetic."""


def whole_from_to(least: int, most: int) -> Range:
    """The whole numbers from ``least`` to ``most``.

    >>> Key("num_workers", int, 1, range=whole_from_to(0, 1024)).expected
    'a whole number from 0 to 1024'
    """
    return Range(lambda value: least <= value <= most, f"from {least} to {most}")


_TYPE_WORDS: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
_NO_VALUE = ("none", "null", "~")
_TRUE = ("yes", "true", "t", "y", "1", "on")
_FALSE = ("no", "false", "f", "n", "0", "off")


@dataclass(frozen=True)
class Key:
    """One configuration key.

    Args:
        name: as files and the command line spell it.
        type: bool, int, float, str, or a conversion that raises ValueError.
        default: None says that a value may be none.
        meaning: for the table of keys, in one line.
        unit: of a number.
        symbol: the paper's.
        choices: the texts that a value may be.
        range: the numbers that a value may be.
        affects: what another value changes; see :data:`Affects`.
        expected: the words of its error; empty: made from type, choices and range.
        former_names: spellings of earlier versions, which are read with a note.
        former_values: earlier spellings of its choices, each with today's.

    >>> Key("lr", float, 0.03, range=POSITIVE).expected
    'a number above 0'
    >>> Key("view", str, "weak", choices=("weak", "strong")).expected
    'weak or strong'
    """

    name: str
    type: Callable[[Any], Any]
    default: Any
    meaning: str = ""
    unit: str = ""
    symbol: str = ""
    choices: tuple[str, ...] = ()
    range: Range | None = None
    affects: Affects = "result"
    expected: str = ""
    former_names: tuple[str, ...] = ()
    former_values: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.expected:
            object.__setattr__(self, "expected", self._words())

    def _words(self) -> str:
        if self.choices:
            *first, last = self.choices
            return f"{', '.join(first)} or {last}" if first else last
        words = _TYPE_WORDS.get(self.type, "another value")
        return f"{words} {self.range.words}" if self.range else words

    @property
    def nullable(self) -> bool:
        """Whether a value may be none."""
        return self.default is None

    def with_default(self, default: Any) -> Key:
        """The same key with another default."""
        return replace(self, default=default)

    def as_in(self, row: Key) -> Key:
        """The same key with choices, range and effect of another ``row``; the words of its error are made anew."""
        return replace(self, choices=row.choices, range=row.range, affects=row.affects, expected="")

    def converted(self, value: Any, where: str) -> Any:
        """Return what YAML or the command line gave as a value of this key's type.

        Args:
            value: a text, or what YAML made of one. None, and the texts none, null and ~, are no value.
            where: the file, or the command line, for the message.

        Raises:
            ConfigError: the value is none of that type, or larger than any of that type may be.

        >>> Key("lr", float, 0.03).converted("3e-3", "x.yaml")
        0.003
        >>> Key("num_train_iter", int, 8).converted(1e3, "x.yaml")
        1000
        >>> Key("gpu", int, None).converted("None", "x.yaml") is None
        True
        """
        if value is None or (isinstance(value, str) and value.strip().lower() in _NO_VALUE):
            if self.nullable:
                return None
            if value is None or self.type is not str:
                raise expected(f"{where}: {self.name}", self.expected, "nothing" if value is None else quoted(value))
        try:
            converted = _CONVERSIONS.get(self.type, self.type)(value)
        except (ValueError, TypeError, OverflowError, argparse.ArgumentTypeError) as error:
            raise expected(f"{where}: {self.name}", self.expected, quoted(value)) from error
        largest = LARGEST.get(self.type)
        if largest is not None and abs(converted) > largest:
            outside = self.range is not None and not self.range.holds(converted)
            words = self.expected if outside else f"{self.expected}, at most {largest:.10g} in size"
            raise expected(f"{where}: {self.name}", words, quoted(value))
        return dict(self.former_values).get(converted, converted) if self.former_values else converted

    def check(self, value: Any) -> None:
        """Raise :class:`ConfigError` if a ``value`` of the right type is outside choices or range."""
        if value is None and self.nullable:
            return
        if self.choices and value not in self.choices:
            raise expected(self.name, self.expected, quoted(value), did_you_mean(str(value), self.choices))
        if self.range is not None and not isinstance(value, str) and not self.range.holds(value):
            raise expected(self.name, self.expected, f"{value:g}" if isinstance(value, float) else quoted(value))

    def note_of_former(self, value: Any) -> str:
        """What to tell a user who gave a former spelling of a choice; empty for today's."""
        now = dict(self.former_values).get(str(value))
        return f"{self.name}: {value} is now spelled {now}" if now else ""


def by_name(keys: Iterable[Key]) -> dict[str, Key]:
    """The keys by their names."""
    return {key.name: key for key in keys}


def former_names(keys: Iterable[Key]) -> dict[str, str]:
    """Today's name of a key for each earlier one."""
    return {former: key.name for key in keys for former in key.former_names}


def with_present_names(values: Mapping[str, Any], keys: Iterable[Key]) -> dict[str, Any]:
    """Return a configuration of an earlier version with today's spelling of its keys and choices.

    >>> rule = Key("neighbor_rule", str, "near", choices=("near",), former_names=("neighbour_rule",))
    >>> with_present_names({"neighbour_rule": "near", "lr": 1.0}, [rule])
    {'neighbor_rule': 'near', 'lr': 1.0}
    """
    keys = tuple(keys)
    names, table = former_names(keys), by_name(keys)
    present: dict[str, Any] = {}
    for name, value in values.items():
        name = names.get(name, name)
        former = dict(table[name].former_values) if name in table else {}
        present[name] = former.get(value, value) if isinstance(value, str) else value
    return present


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _to_int(value: Any) -> int:
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            value = float(value)
    number = _to_float(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _to_str(value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(value)
    return str(value)


_CONVERSIONS: dict[Any, Callable[[Any], Any]] = {bool: _to_bool, int: _to_int, float: _to_float, str: _to_str}
