"""Whether a piece of the host is the one that a change was written for.

A function that takes the place of one of the host's was written for the sources in
:data:`~usb_negsamp.host.expected.sources.KNOWN`, which has a fingerprint for each version that we know. A function that
calls the one whose place it takes fits any version that takes the same arguments; a function of the host with
expressions of its source exchanged (:mod:`usb_negsamp.host.rewriting`) fits where those expressions are. A class fits
where each of the host's methods that it puts aside does.
"""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from types import FunctionType
from typing import Any

from usb_negsamp.host.expected.sources import KNOWN

REWRITTEN = "rewritten_tree"
"""Attribute of a function that was made of the host's own source."""
_DIGITS = 12
_NO_HOSTS = ("usb_negsamp", "torch")
"""Packages whose functions stand in the host without being the host's."""


class DoesNotFit(Exception):
    """The host is not what a change of it was written for; the message says where."""


def fingerprint(function: Any) -> str:
    """Of a function's source, whatever its place in the file, its comments, blank lines and indentation as a whole.

    Raises:
        OSError: the source is not there.
    """
    lines = textwrap.dedent(inspect.getsource(function.__code__)).splitlines()
    kept = [line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:_DIGITS]


def check_fit(original: Any, value: Any) -> None:
    """Say whether ``value`` may stand where the host has ``original``; what is neither function nor class always may.

    Raises:
        DoesNotFit: it may not.
        OSError: the source of a function is not there.
    """
    original, value = _plain(original), _plain(value)
    if inspect.isclass(original):
        if not _is_among(original.__module__, _NO_HOSTS):
            _check_class(original, value)
    elif isinstance(original, FunctionType):
        _check_function(original, value)


def _plain(value: Any) -> Any:
    return value.__func__ if isinstance(value, (staticmethod, classmethod)) else value


def _is_among(module: str, packages: tuple[str, ...]) -> bool:
    return module.partition(".")[0] in packages


def _check_class(original: type[Any], value: Any) -> None:
    methods = {name: _plain(method) for name, method in vars(original).items()}
    methods = {name: method for name, method in methods.items() if isinstance(method, FunctionType)}
    own = vars(value) if inspect.isclass(value) else {}
    if inspect.isclass(value) and issubclass(value, original):
        methods = {name: method for name, method in methods.items() if name in own}
    for name, method in methods.items():
        if name not in own:
            raise DoesNotFit(f"{_name_of(method)} is a method that is not known")
        _check_function(method, own[name])


def _check_function(original: FunctionType, value: Any) -> None:
    if hasattr(value, REWRITTEN):
        return
    if keeps(value, original):
        if not takes_the_same(value, original):
            raise DoesNotFit(f"{_name_of(original)} takes other arguments than are known")
        return
    inner = _without_wrappers(original)
    if not _is_among(inner.__globals__["__name__"], _NO_HOSTS) and fingerprint(inner) not in KNOWN.get(
        _name_of(inner), ()
    ):
        raise DoesNotFit(f"{_name_of(inner)} is not as it is known, in {inner.__code__.co_filename}")


def _without_wrappers(function: FunctionType) -> FunctionType:
    """What PyTorch's decorators, as ``no_grad``, and our wrappers of the host's functions are around."""
    while _is_among(function.__globals__["__name__"], _NO_HOSTS) and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function


def _name_of(function: FunctionType) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def keeps(value: Any, original: FunctionType) -> bool:
    """Whether the function ``value`` has ``original`` at hand, in its closure or under a global name.

    >>> def answer(): return 41
    >>> def more(question): return lambda: question() + 1
    >>> keeps(more(answer), answer), keeps(more(more), answer)
    (True, False)
    """
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        function = waiting.pop()
        if not isinstance(function, FunctionType) or id(function) in seen:
            continue
        seen.add(id(function))
        enclosed = list(inspect.getclosurevars(function).nonlocals.values())
        looked_up = [function.__globals__.get(name) for name in function.__code__.co_names]
        if any(held is original for held in (*enclosed, *looked_up)):
            return True
        waiting += enclosed
    return False


def takes_the_same(value: Any, original: Any) -> bool:
    """Whether ``value`` takes the arguments of ``original``, by the same names and in the same order.

    >>> takes_the_same(lambda first, *rest: None, lambda first, second: None)
    True
    >>> takes_the_same(lambda second, first: None, lambda first, second: None)
    False
    """
    own = inspect.signature(value, follow_wrapped=False).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    theirs = [one.name for one in inspect.signature(original).parameters.values() if one.kind not in variable]
    ordered = [one for one in own if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    in_order = [one.name for one in ordered][: len(theirs)] == theirs[: len(ordered)]
    named = all(one.name in theirs for one in own if one.kind == one.KEYWORD_ONLY)
    more = all(one.default is not one.empty for one in ordered[len(theirs) :])
    rest = len(theirs) <= len(ordered) or any(one.kind in variable for one in own)
    return in_order and named and more and rest
