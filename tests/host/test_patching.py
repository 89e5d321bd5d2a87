"""Replacements are recorded and can be taken back."""

import importlib
import types

from usb_negsamp.host import patching


def test_a_replacement_can_be_taken_back_and_returns():
    owner = types.SimpleNamespace(value=1)
    with patching.applying("a test's repair"):
        patching.replace(owner, "value", 2)
        patching.add(owner, "added", 3)
    with patching.undone("a test's repair"):
        assert owner.value == 1
        assert not hasattr(owner, "added")
    assert (owner.value, owner.added) == (2, 3)


def test_every_repair_has_a_test_of_its_name():
    from pathlib import Path

    from usb_negsamp.host.repairs import ORDER

    tests = {path.stem for path in Path(__file__).parent.rglob("test_*.py")}
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


def write_package(directory, **modules):
    directory.mkdir()
    (directory / "__init__.py").write_text("log = []\n")
    for name, body in modules.items():
        (directory / f"{name}.py").write_text(body)


def test_modules_are_applied_once_in_the_order_given(tmp_path, monkeypatch):
    body = "import applied_in_order as package\n\ndef apply():\n    package.log.append(__name__)\n"
    write_package(tmp_path / "applied_in_order", later=body, earlier=body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(patching, "_applied", dict(patching._applied))
    for _ in range(2):
        patching.apply_each("applied_in_order", ("later", "earlier"))
    package = importlib.import_module("applied_in_order")
    assert package.log == ["applied_in_order.later", "applied_in_order.earlier"]
    assert patching.applied()[-2:] == ["later", "earlier"]
