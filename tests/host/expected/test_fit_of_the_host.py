"""What may stand in the place of a function or a class of the host."""

from __future__ import annotations

import ast
import functools
import os
import types
from pathlib import Path
from typing import Any

import known_sources
import pytest
import torch

from usb_negsamp.host import patching
from usb_negsamp.host.expected import fit
from usb_negsamp.host.expected.fit import DoesNotFit, check_fit, fingerprint, takes_the_same
from usb_negsamp.host.expected.sources import KNOWN
from usb_negsamp.host.rewriting import rewritten


def hosts(number: int, factor: int = 2) -> int:
    # A comment.
    return number * factor


def indented() -> Any:
    def hosts(number: int, factor: int = 2) -> int:

        return number * factor

    return hosts


def other(number: int, factor: int = 2) -> int:
    return number * factor + 1


def wrapped_by_us(function: Any) -> Any:
    """What a repair that calls the host's function leaves in its place."""
    module: dict[str, Any] = {"__name__": "usb_negsamp.host.repairs.example", "function": function}
    exec("def around(*args, **kwargs):\n    return function(*args, **kwargs)", module)
    return functools.wraps(function)(module["around"])


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{hosts.__module__}.hosts"
    monkeypatch.setattr(fit, "KNOWN", {name: ("0" * 12, fingerprint(hosts))})


def test_comments_blank_lines_and_indentation_do_not_count() -> None:
    assert fingerprint(hosts) == fingerprint(indented()) != fingerprint(other)


def test_another_function_fits_where_the_hosts_is_known(known: None) -> None:
    check_fit(hosts, other)
    with pytest.raises(DoesNotFit, match=r"\.other is not as it is known"):
        check_fit(other, hosts)


def test_a_decorator_of_pytorch_does_not_hide_the_function(known: None) -> None:
    check_fit(torch.no_grad()(hosts), other)


def test_a_wrapper_of_ours_does_not_hide_the_function(known: None) -> None:
    check_fit(wrapped_by_us(hosts), other)
    with pytest.raises(DoesNotFit, match=r"\.other is not as it is known"):
        check_fit(wrapped_by_us(other), hosts)


def test_what_somebody_else_put_around_the_hosts_function_stays(known: None) -> None:
    @functools.wraps(hosts)
    def around(*args: Any, **kwargs: Any) -> int:
        return hosts(*args, **kwargs)

    with pytest.raises(DoesNotFit):
        check_fit(around, other)


def test_a_function_that_calls_the_hosts_fits_whatever_that_does() -> None:
    check_fit(other, lambda number, factor=2: other(number, factor))
    with pytest.raises(DoesNotFit, match="takes other arguments"):
        check_fit(other, lambda count: other(count))


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (lambda number, factor: None, True),
        (lambda number, factor, more=1: None, True),
        (lambda *args, **kwargs: None, True),
        (lambda *args, factor=1, **kwargs: None, True),
        (lambda number: None, False),
        (lambda number, factor, more: None, False),
        (lambda *args, other=1: None, False),
    ],
)
def test_the_same_arguments(value: Any, fits: bool) -> None:
    assert takes_the_same(value, hosts) is fits


def test_a_class_fits_where_the_methods_that_it_puts_aside_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Host:
        def one(self) -> int:
            return 1

        def two(self) -> int:
            return 2

    class Child(Host):
        def two(self) -> int:
            return 3

    monkeypatch.setattr(fit, "KNOWN", {f"{Host.two.__module__}.{Host.two.__qualname__}": (fingerprint(Host.two),)})
    check_fit(Host, Child)
    with pytest.raises(DoesNotFit, match=r"Host\.one"):
        check_fit(Host, type("Stranger", (), {"two": Host.two}))


def test_a_change_that_finds_nothing_does_not_fit() -> None:
    class Nothing(ast.NodeTransformer):
        """Changes nothing."""

    with pytest.raises(DoesNotFit, match="hosts has no place for the change"):
        rewritten(hosts, Nothing())


def test_a_repair_is_applied_whole_or_not_at_all() -> None:
    owner = types.SimpleNamespace(value=1, step=other)

    def half() -> None:
        with patching.applying("a test's half repair"):
            patching.replace(owner, "value", 2)
            patching.add(owner, "more", 3)
            patching.replace(owner, "step", hosts)

    with pytest.raises(DoesNotFit):
        half()
    assert vars(owner) == {"value": 1, "step": other}
    assert "a test's half repair" not in patching.applied()


def test_a_name_that_is_not_there_is_not_replaced() -> None:
    with pytest.raises(DoesNotFit, match="has no gone"), patching.applying("a test's lost repair"):
        patching.replace(types.SimpleNamespace(), "gone", 2)


def test_nothing_steps_aside_in_the_host_that_is_installed() -> None:
    assert patching.stepped_aside() == {}


needs_checkout = pytest.mark.skipif(not os.environ.get("USB_CHECKOUT"), reason="USB_CHECKOUT names no checkout")


@pytest.mark.parametrize(
    "host",
    [
        "installed",
        pytest.param("checkout", marks=needs_checkout),
        pytest.param("with series", marks=needs_checkout),
    ],
)
def test_every_source_that_is_replaced_is_known(host: str, tmp_path: Path) -> None:
    checkout = None if host == "installed" else os.environ["USB_CHECKOUT"]
    if checkout and host == "with series":
        checkout = known_sources.with_the_series(checkout, tmp_path / "host")
    asked = known_sources.asked_of(checkout)
    assert asked
    assert {name: values for name, values in asked.items() if not set(values) <= set(KNOWN.get(name, ()))} == {}
