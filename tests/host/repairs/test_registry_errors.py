"""Names of algorithms."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

import pytest
from semilearn import algorithms, imb_algorithms
from semilearn.core.utils import ALGORITHMS, IMB_ALGORITHMS, registry

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.patching import undone


@pytest.fixture
def register() -> Any:
    """A registry of this test alone."""
    return registry.Register("algorithms")


def one() -> None:
    """Stands for an algorithm."""


def two() -> None:
    """Stands for another."""


def test_host_lets_a_name_change_hands_and_has_a_bare_error(register: Any) -> None:
    with undone("registry_errors"):
        register["name"] = one
        register["name"] = two
        assert register["name"] is two
        with pytest.raises(KeyError) as caught:
            register["fixmach"]
        assert caught.value.args == ("fixmach",)


def test_unknown_name_is_a_one_line_error_that_is_a_key_error_too(register: Any) -> None:
    with pytest.raises(KeyError) as caught:
        ALGORITHMS["fixmach"]
    assert isinstance(caught.value, ConfigError)
    assert str(caught.value) == "unknown algorithm 'fixmach'; did you mean 'fixmatch'?"
    with pytest.raises(ConfigError, match="unknown imbalance algorithm 'darpp'; did you mean 'darp'"):
        IMB_ALGORITHMS["darpp"]


def test_builders_give_the_same_error() -> None:
    with pytest.raises(KeyError, match="did you mean 'fixmatch'"):
        algorithms.get_algorithm(Namespace(algorithm="fixmach"), None, None, None)
    with pytest.raises(KeyError, match="did you mean 'darp'"):
        imb_algorithms.get_imb_algorithm(Namespace(imb_algorithm="darpp", algorithm="fixmatch"), None, None, None)


def test_module_that_cannot_be_imported_says_why(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = [("semilearn.algorithms", ["broken_one"])]
    monkeypatch.setattr(registry, "ALL_MODULES", modules)
    with pytest.raises(ConfigError, match="algorithm 'broken_one' cannot be used: its module cannot be imported"):
        register["broken_one"]
    monkeypatch.setitem(sys.modules, "semilearn.algorithms.vat", None)
    monkeypatch.setattr(registry, "ALL_MODULES", [("semilearn.algorithms", ["vat"])])
    with pytest.raises(ConfigError, match="ModuleNotFoundError"):
        register["vat"]


def test_algorithm_that_the_host_ships_but_does_not_load_is_told_apart(register: Any) -> None:
    if "defixmatch" in ALGORITHMS:
        pytest.skip("this host loads all of its algorithms")
    with pytest.raises(ConfigError, match="'defixmatch' cannot be used: this version of the host ships it but"):
        ALGORITHMS["defixmatch"]


def test_a_name_does_not_change_hands(register: Any) -> None:
    register["name"] = one
    register["name"] = one
    with pytest.raises(ConfigError, match=r"'name' is already registered by .*\.one; choose another name"):
        register["name"] = two
    assert register["name"] is one
    register.register(two)
    assert register["two"] is two


def test_a_cell_that_is_run_again_replaces_its_own_class(register: Any) -> None:
    def define() -> type:
        class Mine:
            pass

        return Mine

    first, second = define(), define()
    register["mine"] = first
    register["mine"] = second
    assert register["mine"] is second


def test_what_is_no_algorithm_is_refused_as_before(register: Any) -> None:
    with pytest.raises(Exception, match="callable"):
        register["name"] = 3
