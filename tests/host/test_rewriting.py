"""Methods with a few expressions exchanged."""

from __future__ import annotations

import ast
import traceback
from typing import Any

import pytest

from usb_negsamp.host.rewriting import expression, rewritten


class Doubled(ast.NodeTransformer):
    """Twice every whole number."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(node.value * 2) if type(node.value) is int else node


class Parent:
    def answer(self) -> int:
        return 1


class Child(Parent):
    def answer(self, factor: int = 3, *, offset: float = 0.5) -> Any:
        """What a child says."""
        return super().answer() * 10 * factor + offset

    def failing(self) -> None:
        number = 1
        raise ValueError(number)


def test_a_change_reaches_the_body_and_leaves_signature_and_closure() -> None:
    changed: Any = rewritten(Child.answer, Doubled())
    assert Child().answer() == 30.5
    assert changed(Child()) == 60.5
    assert changed(Child(), 1, offset=0.0) == 20.0
    assert (changed.__doc__, changed.__qualname__) == (Child.answer.__doc__, "Child.answer")


def test_changes_add_up() -> None:
    assert rewritten(rewritten(Child.answer, Doubled()), Doubled())(Child()) == 120.5


def test_a_traceback_names_the_line_of_the_file() -> None:
    lines = []
    for function in (Child.failing, rewritten(Child.failing, Doubled())):
        with pytest.raises(ValueError, match=r"^[12]$") as raised:
            function(Child())
        last = traceback.extract_tb(raised.tb)[-1]
        lines.append((last.filename, last.lineno, last.line))
    assert lines[0] == lines[1]


def test_an_expression_stands_where_the_other_stood() -> None:
    class Divided(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            return expression("1 / 0", node) if node.value == 1 else node

    with pytest.raises(ZeroDivisionError) as raised:
        rewritten(Child.failing, Divided())(Child())
    assert traceback.extract_tb(raised.tb)[-1].line == "number = 1"


def test_what_is_no_function_of_python_is_refused() -> None:
    with pytest.raises(TypeError, match="expected a function"):
        rewritten(len, Doubled())
