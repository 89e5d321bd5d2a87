"""A method of the host with a few expressions of its source exchanged, where it gives no place to step in."""

from __future__ import annotations

import ast
import copy
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from usb_negsamp.host.expected.fit import REWRITTEN, DoesNotFit


def rewritten(function: Callable[..., Any], change: ast.NodeTransformer) -> Callable[..., Any]:
    """Return ``function`` as its source reads after ``change``; a traceback still names the lines of its file.

    Args:
        function: a plain function, as it lies in its class: without decorators.
        change: visits the function's definition.

    Raises:
        DoesNotFit: ``change`` found nothing to change.
        TypeError: ``function`` is none that was defined in Python.
        OSError: its source is not there.
    """
    if not isinstance(function, FunctionType):
        raise TypeError(f"expected a function, but got {function!r}")
    code = function.__code__
    tree = _definition(function)
    before = ast.dump(tree)
    changed = ast.fix_missing_locations(change.visit(tree))
    if ast.dump(changed) == before:
        raise DoesNotFit(f"{function.__module__}.{function.__qualname__} has no place for the change")
    [definition] = changed.body
    # A function around it holds the names of its closure, such as the ``__class__`` of ``super()``.
    around = ast.parse(f"def around({', '.join(code.co_freevars)}): pass")
    outer = around.body[0]
    assert isinstance(outer, ast.FunctionDef)
    outer.body = [definition]
    compiled = _code_inside(_code_inside(compile(around, code.co_filename, "exec")))
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    closure = tuple(cells[name] for name in compiled.co_freevars)
    result = FunctionType(compiled, function.__globals__, function.__name__, function.__defaults__, closure)
    result.__kwdefaults__ = function.__kwdefaults__
    result.__doc__, result.__qualname__ = function.__doc__, function.__qualname__
    result.__annotations__ = function.__annotations__
    vars(result)[REWRITTEN] = ast.Module([definition], type_ignores=[])
    return result


def expression(source: str, place: ast.expr) -> ast.expr:
    """The expression ``source``, on the line of ``place``, which it takes the place of."""
    tree = ast.parse(source, mode="eval").body
    for node in ast.walk(tree):
        ast.copy_location(node, place)
    return tree


def _definition(function: FunctionType) -> ast.Module:
    """The tree of ``function``: what an earlier change has made of it, not what its file says."""
    changed: ast.Module | None = vars(function).get(REWRITTEN)
    if changed is not None:
        return copy.deepcopy(changed)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function.__code__)))
    return ast.increment_lineno(tree, function.__code__.co_firstlineno - 1)


def _code_inside(code: CodeType) -> CodeType:
    """The one function that ``code`` defines."""
    [inner] = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return inner
