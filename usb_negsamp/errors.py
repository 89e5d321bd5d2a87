"""Errors that a user can mend: one line that says what was expected, what came, and the nearest right name."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 3, 120, 120, 60
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 12


class ConfigError(ValueError):
    """A request that cannot be carried out as written. Raised before any training; its text is one line.

    >>> ConfigError("no such folder: one\\ntwo")
    ConfigError('no such folder: one two')
    """

    def __init__(self, text: object = "") -> None:
        super().__init__(" ".join(str(text).splitlines()))


class TrainingDiverged(ConfigError):
    """The network has no finite outputs any more."""


def expected(what: str, expectation: str, got: str, hint: str = "") -> ConfigError:
    """Return the error for a value that is not what it has to be.

    Args:
        what: the key, or whatever has the value; the file that gave it before that.
        expectation: the right values in words.
        got: the value.
        hint: what may help, after a semicolon.

    >>> expected("lr", "a number above 0", "-1").args[0]
    'lr: expected a number above 0, but got -1'
    """
    return ConfigError(f"{what}: expected {expectation}, but got {got}{hint}")


def quoted(value: Any) -> str:
    """What a user gave, as an error shows it: as Python writes it, without what would make it long.

    >>> quoted("a\\n"), quoted([1, 2]), len(quoted("x" * 1000)), quoted([[0] * 100] * 100)[:30]
    ("'a\\\\n'", '[1, 2]', 120, '[[0, 0, 0, 0, 0, 0, 0, 0, 0, 0')
    """
    try:
        return _SHORT.repr(value)
    except ValueError:
        # Python writes no whole number of more than 4,300 digits.
        return "a whole number of thousands of digits"


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the option nearest to ``name``, or an empty string.

    >>> did_you_mean("fixmach", ["fixmatch", "vat"])
    "; did you mean 'fixmatch'?"
    >>> did_you_mean("zzz", ["fixmatch", "vat"])
    ''
    """
    lowered = {option.lower(): option for option in options}
    matches = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    return f"; did you mean {lowered[matches[0]]!r}?" if matches else ""


def unknown(kind: str, name: str, options: Iterable[str]) -> ConfigError:
    """Return the error for a ``name`` that is none of ``options``: the nearest option, or all of them if few.

    >>> unknown("algorithm", "fixmach", ["fixmatch", "vat"]).args[0]
    "unknown algorithm 'fixmach'; did you mean 'fixmatch'?"
    >>> unknown("device", "metal", ["auto", "cpu", "cuda"]).args[0]
    "unknown device 'metal'; expected one of: auto, cpu, cuda"
    """
    options = sorted(options)
    hint = did_you_mean(name, options)
    if not hint:
        shown = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
        hint = f"; expected one of: {shown}"
    return ConfigError(f"unknown {kind} {quoted(name)}{hint}")
