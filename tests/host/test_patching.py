"""Replacements are recorded and can be taken back."""

import types

from usb_negsamp.host import patching


def test_a_replacement_can_be_taken_back_and_returns():
    owner = types.SimpleNamespace(value=1)
    with patching.applying("a test's repair"):
        patching.replace(owner, "value", 2)
        patching.replace(owner, "added", 3)
    with patching.undone("a test's repair"):
        assert owner.value == 1
        assert not hasattr(owner, "added")
    assert (owner.value, owner.added) == (2, 3)


def test_every_repair_has_a_test_of_its_name():
    from pathlib import Path

    from usb_negsamp.host.repairs import ORDER

    tests = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    assert {f"test_{name}" for name in ORDER} <= tests


def test_applying_again_changes_nothing():
    from usb_negsamp.host.repairs import apply_all

    before = patching.applied()
    apply_all()
    assert patching.applied() == before


def test_taking_back_the_first_of_two_repairs_of_one_attribute_keeps_the_second():
    owner = types.SimpleNamespace(value=0)
    with patching.applying("a test's first repair"):
        patching.replace(owner, "value", 1)
    with patching.applying("a test's second repair"):
        patching.replace(owner, "value", 2)
    with patching.undone("a test's first repair"):
        assert owner.value == 0
    assert owner.value == 2
