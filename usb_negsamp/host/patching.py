"""How a repair replaces a piece of the host: every replacement is recorded, so that a test can take it back.

>>> import types
>>> owner = types.SimpleNamespace(answer=41)
>>> with applying("example"):
...     replace(owner, "answer", 42)
>>> owner.answer
42
>>> with undone("example"):
...     print(owner.answer)
41
>>> owner.answer
42
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

_MISSING = object()


class Replacement(NamedTuple):
    """One attribute that a repair changed."""

    owner: Any
    name: str
    original: Any
    value: Any


_applied: dict[str, list[Replacement]] = {}
_current: list[str] = []


@contextmanager
def applying(repair: str) -> Iterator[None]:
    """Record the replacements made inside the block as those of ``repair``."""
    _applied.setdefault(repair, [])
    _current.append(repair)
    try:
        yield
    finally:
        _current.pop()


def apply_each(package: str, names: Iterable[str]) -> None:
    """Apply the modules ``names`` of ``package``, in order: those that have not been applied in this process.

    Each has a function ``apply()`` and is recorded under its own name.
    """
    for name in names:
        if name in _applied:
            continue
        module = importlib.import_module(f"{package}.{name}")
        with applying(name):
            module.apply()


def replace(owner: Any, name: str, value: Any) -> None:
    """Set ``owner.name`` to ``value`` for the repair that is being applied."""
    original = vars(owner).get(name, _MISSING) if hasattr(owner, "__dict__") else getattr(owner, name, _MISSING)
    setattr(owner, name, value)
    _applied[_current[-1]].append(Replacement(owner, name, original, value))


def replace_everywhere(original: Any, value: Any, package: str = "semilearn") -> None:
    """Replace ``original`` in every loaded module of ``package`` that imported it by name."""
    for module_name, module in list(sys.modules.items()):
        if module is None or not (module_name == package or module_name.startswith(package + ".")):
            continue
        for name, found in list(vars(module).items()):
            if found is original:
                replace(module, name, value)


@contextmanager
def undone(*repairs: str) -> Iterator[None]:
    """Give the host back what ``repairs`` replaced, for the length of the block. For tests."""
    records = [record for repair in repairs for record in _applied[repair]]
    present = [(record, vars(record.owner).get(record.name, record.value)) for record in records]
    for record in reversed(records):
        if record.original is _MISSING:
            delattr(record.owner, record.name)
        else:
            setattr(record.owner, record.name, record.original)
    try:
        yield
    finally:
        # The value found on entry, not this repair's own: another repair may have replaced the attribute after it.
        for record, value in present:
            setattr(record.owner, record.name, value)


def applied() -> list[str]:
    """Names of the repairs that have been applied in this process, in order."""
    return list(_applied)
