"""Spellings of earlier versions are read, with a note."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

import usb_negsamp.functional
from usb_negsamp import ConfigError
from usb_negsamp.run.configuration.keys import affects_of, checked_keys, of_earlier_version
from usb_negsamp.run.configuration.resolution import Sources, read_sources, resolve
from usb_negsamp.run.records.manifest import difference
from usb_negsamp.testing import TINY_RUN

FORMER = {"ns3l_rule": "neighbour", "ns3l_neighbour_rule": "furthest", "ns3l_neighbour_features": "network"}
PRESENT = {"ns3l_rule": "neighbor", "ns3l_neighbor_rule": "furthest", "ns3l_neighbor_features": "network"}


def chosen(values: dict[str, object]) -> dict[str, object]:
    return {name: values[name] for name in PRESENT}


def test_a_file_of_an_earlier_version_is_read_with_a_note_a_name() -> None:
    resolved = resolve(Sources("old.yaml", {**TINY_RUN, "algorithm": "vat_ns3l", **FORMER}, {}))
    assert chosen(resolved.mapping) == PRESENT
    assert {note for note in resolved.notes if note.startswith("old.yaml: ")} >= {
        "old.yaml: ns3l_neighbour_rule is now spelled ns3l_neighbor_rule",
        "old.yaml: ns3l_neighbour_features is now spelled ns3l_neighbor_features",
        "old.yaml: ns3l_rule: neighbour is now spelled neighbor",
    }


def test_a_command_line_of_an_earlier_version_is_read_with_a_note() -> None:
    resolved = resolve(read_sources(["--algorithm", "ns3l", *(f"--{name}={text}" for name, text in FORMER.items())]))
    assert chosen(resolved.mapping) == PRESENT
    assert "command line: ns3l_rule: neighbour is now spelled neighbor" in resolved.notes


def test_the_present_spelling_has_no_note() -> None:
    resolved = resolve(Sources("new.yaml", {**TINY_RUN, "algorithm": "vat_ns3l", **PRESENT}, {}))
    assert not [note for note in resolved.notes if "spelled" in note]


def test_both_spellings_of_a_key_in_one_place_are_one_line() -> None:
    both = {"ns3l_neighbour_rule": "furthest", "ns3l_neighbor_rule": "exclude"}
    with pytest.raises(ConfigError, match=r"^x\.yaml: ns3l_neighbor_rule is given twice"):
        resolve(Sources("x.yaml", {**TINY_RUN, "algorithm": "ns3l", **both}, {}))


def test_a_run_of_an_earlier_version_is_compared_by_its_present_names() -> None:
    now = resolve(Sources("new.yaml", {**TINY_RUN, "algorithm": "vat_ns3l", **PRESENT}, {})).mapping
    then = {name: value for name, value in json.loads(json.dumps(now)).items() if name not in PRESENT}
    assert chosen(of_earlier_version({**then, **FORMER})) == PRESENT
    assert difference({**then, **FORMER}, now) is None
    other = difference({**then, **FORMER, "ns3l_neighbour_rule": "exclude"}, now)
    assert other == "ns3l_neighbor_rule exclude (now furthest)"


def test_the_function_of_an_earlier_name_is_the_same_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="neighbour_negatives is now spelled neighbor_negatives"):
        former = usb_negsamp.functional.neighbour_negatives
    assert former is usb_negsamp.functional.neighbor_negatives
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not hasattr(usb_negsamp.functional, "neighbours")


def test_every_key_has_one_row_and_one_class() -> None:
    names = [key.name for key in checked_keys()]
    assert sorted(names) == sorted(set(names))
    assert affects_of("ns3l_weight") == "result"
    assert affects_of("spl_from") == "start"
    assert affects_of("num_train_iter") == "length"
    assert affects_of("num_workers") == "session"
    assert affects_of("save_dir") == "place"


def test_no_file_of_the_repository_says_neighbour() -> None:
    root = Path(__file__).parents[3]
    assert [path.name for path in (root / "config").rglob("*.yaml") if "neighbour" in path.read_text()] == []
