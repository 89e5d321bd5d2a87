"""How a repair replaces a piece of the host: every replacement is recorded, so that a test can take it back.

A repair is applied where the host is as it expects (:mod:`usb_negsamp.host.expected.fit`), whole or not at all: one
that finds another host steps aside, and is remembered with its reason.

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

from usb_negsamp.host.expected.fit import DoesNotFit, check_fit

_MISSING = object()


class Replacement(NamedTuple):
    """One attribute that a repair changed."""

    owner: Any
    name: str
    original: Any
    value: Any


_applied: dict[str, list[Replacement]] = {}
_current: list[str] = []
_stepped_aside: dict[str, str] = {}


@contextmanager
def applying(repair: str) -> Iterator[None]:
    """Record the replacements made inside the block as those of ``repair``; after an error there, none is left."""
    before = len(_applied.setdefault(repair, []))
    _current.append(repair)
    try:
        yield
    except BaseException:
        records = _applied[repair]
        for record in reversed(records[before:]):
            _put_back(record)
        del records[before:]
        if not before:
            del _applied[repair]
        raise
    finally:
        _current.pop()


def apply_each(package: str, names: Iterable[str]) -> None:
    """Apply the modules ``names`` of ``package``, in order: those that have not been tried in this process.

    Each has a function ``apply()`` and is recorded under its own name. One that the host does not fit steps aside.
    """
    for name in names:
        if name in _applied or name in _stepped_aside:
            continue
        try:
            with applying(name):
                importlib.import_module(f"{package}.{name}").apply()
        except Exception as error:  # a host that has changed may raise anything, and has to go on
            step_aside(name, str(error) if isinstance(error, DoesNotFit) else f"{type(error).__name__}: {error}")


def step_aside(name: str, reason: str) -> None:
    """Remember that what is called ``name`` was not put into the host, and why."""
    _stepped_aside[name] = " ".join(reason.split())


def stepped_aside() -> dict[str, str]:
    """What was not put into the host of this process, with the reasons."""
    return dict(_stepped_aside)


def lines_of_stepped_aside() -> list[str]:
    """What a log says of it, a line each."""
    return [f"usb-negsamp: {name} steps aside for the host's own: {why}" for name, why in _stepped_aside.items()]


def replace(owner: Any, name: str, value: Any) -> None:
    """Set ``owner.name``, which is there, to ``value`` for the repair that is being applied.

    Raises:
        DoesNotFit: the host's is not there, or not the one that ``value`` was written for.
    """
    if not hasattr(owner, name):
        raise DoesNotFit(f"{getattr(owner, '__name__', owner)} has no {name}")
    original = _own(owner, name)
    if original is not _MISSING:
        check_fit(original, value)
    _set(owner, name, value)


def add(owner: Any, name: str, value: Any) -> None:
    """Give ``owner`` an attribute that the host reads, or may have."""
    _set(owner, name, value)


def _own(owner: Any, name: str) -> Any:
    return vars(owner).get(name, _MISSING) if hasattr(owner, "__dict__") else getattr(owner, name, _MISSING)


def _set(owner: Any, name: str, value: Any) -> None:
    original = _own(owner, name)
    setattr(owner, name, value)
    _applied[_current[-1]].append(Replacement(owner, name, original, value))


def _put_back(record: Replacement) -> None:
    if record.original is _MISSING:
        delattr(record.owner, record.name)
    else:
        setattr(record.owner, record.name, record.original)


def replace_everywhere(original: Any, value: Any, package: str = "semilearn") -> None:
    """Replace ``original`` in every loaded module of ``package`` that imported it by name.

    Raises:
        DoesNotFit: it is not the one that ``value`` was written for.
    """
    check_fit(original, value)
    for module_name, module in list(sys.modules.items()):
        if module is None or not (module_name == package or module_name.startswith(package + ".")):
            continue
        for name, found in list(vars(module).items()):
            if found is original:
                _set(module, name, value)


@contextmanager
def undone(*repairs: str) -> Iterator[None]:
    """Give the host back what ``repairs`` replaced, for the length of the block. For tests."""
    records = [record for repair in repairs for record in _applied[repair]]
    present = [(record, vars(record.owner).get(record.name, record.value)) for record in records]
    for record in reversed(records):
        _put_back(record)
    try:
        yield
    finally:
        # The value found on entry, not this repair's own: another repair may have replaced the attribute after it.
        for record, value in present:
            setattr(record.owner, record.name, value)


def applied() -> list[str]:
    """Names of the repairs that have been applied in this process, in order."""
    return list(_applied)
