"""The script that runs the studies of benchmarks/: what each run is given, and that the studies there can be run."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType

import pytest
from repository_script import load_script
from yaml_text import yaml_text

from usb_negsamp.testing import TINY_RUN

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
STUDIES = sorted((BENCHMARKS / "studies").glob("*.yaml"))


@pytest.fixture(scope="module")
def study() -> ModuleType:
    return load_script(BENCHMARKS / "study.py")


def test_a_method_wins_over_a_data_set_and_that_over_what_is_common(study, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(
        yaml_text(
            {
                "common": {"lr": 1, "net": "common", "T": 1},
                "datasets": {"a": {"net": "dataset", "T": 2}, "b": {}},
                "methods": {"x y": {"T": 3}, "z": {"lr": None, "load_path": "{runs}/{data}-{T}-{seed}"}},
                "seeds": [0, 7],
            }
        )
    )
    found = list(study.cells(path, tmp_path / "runs"))
    assert len(found) == 8
    assert [found[0].keys[key] for key in ("net", "T", "lr")] == ["dataset", 3, 1]
    assert "lr" not in found[1].keys
    assert found[1].keys["load_path"] == f"{tmp_path}/runs/a-2-0"
    assert found[0].directory == tmp_path / "runs" / "small" / "a-xy-0"
    assert [cell.keys["seed"] for cell in found] == [0] * 4 + [7] * 4
    assert all(cell.keys["seed"] == cell.keys["split_seed"] for cell in found)


def test_a_study_is_run_once_and_collected(study, tmp_path, monkeypatch, capsys):
    path = tmp_path / "tiny.yaml"
    common = {**TINY_RUN, "curve": False, "use_tensorboard": False}
    methods = {"NS3L": {"algorithm": "ns3l"}, "supervised": {"algorithm": "supervised"}}
    path.write_text(yaml_text({"common": common, "datasets": {"": {}}, "methods": methods, "seeds": [3]}))
    from usb_negsamp.host.datasets import build as datasets

    monkeypatch.setattr(datasets, "load_source", datasets.load_source)
    words = ["study.py", str(path), "--runs", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", words)
    study.main()
    study.main()
    assert "2 runs, 2 finished, 0 to do here" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*words, "--collect", str(tmp_path / "rows.csv")])
    study.main()
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["method"], row["algorithm"], row["split_seed"]) for row in rows] == [
        ("NS3L", "ns3l", "3"),
        ("supervised", "supervised", "3"),
    ]
    assert all(0 <= float(row["test_acc_last"]) <= 1 for row in rows)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_run_of_a_study_resolves(study, path, tmp_path, monkeypatch):
    monkeypatch.chdir(BENCHMARKS.parent)
    import usb_negsamp
    from usb_negsamp.run.configuration.resolution import read_sources, resolve

    usb_negsamp.register()
    checked = set()
    for cell in study.cells(path, tmp_path):
        kind = tuple(cell.names.values())
        if kind not in checked:
            checked.add(kind)
            resolve(read_sources([word for key, value in cell.keys.items() for word in (f"--{key}", str(value))]))
    assert checked


def test_what_spl_gains_is_paired_over_the_splits(tmp_path, capsys, monkeypatch):
    module = load_script(BENCHMARKS / "spl_gain.py")
    path = tmp_path / "rows.csv"
    columns = ("method", "mismatch_ratio", "validation_size", "split_seed", "spl_test_acc", "spl_start_test_acc")
    rows = [
        ("VAT + SPL", 0.3, 91, 0, 0.9, 0.8),
        ("VAT + SPL", 0.3, 91, 1, 0.8, 0.7),
        ("VAT, V1", 0.3, 91, 0, 0.85, 0.8),
        ("VAT, V1", 0.3, 91, 1, 0.79, 0.7),
        ("VAT + SPL", 0.6, 91, 0, 0.5, 0.4),
    ]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    monkeypatch.setattr(sys, "argv", ["spl_gain.py", str(path)])
    module.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| trained by | mismatch | validation images | n | start | V1 | SPL |")
    first = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert first[:4] == ["VAT", "0.3", "91", "2"]
    assert first[7].startswith("-10.00")
    assert first[8].startswith("-3.00")
    assert lines[3].split("|")[8].strip() == "-10.00"


def test_what_spl_gains_is_shown_side_by_side_for_numbers_of_validation_images(tmp_path, capsys, monkeypatch):
    module = load_script(BENCHMARKS / "spl_gain.py")
    path = tmp_path / "rows.csv"
    columns = ("method", "mismatch_ratio", "validation_size", "split_seed", "spl_test_acc", "spl_start_test_acc")
    accuracies = {"VAT + SPL": (0.9, 0.89), "VAT, V1": (0.8, 0.8), "Pi + SPL": (0.7, 0.9), "Pi, V1": (0.8, 0.7)}
    rows = [
        (method, 0.3, size, split, accuracy - size / 1000, 0.75)
        for method, found in accuracies.items()
        for split, accuracy in enumerate(found)
        for size in (20, 10)
    ] + [("PL + SPL", 0.3, 10, 0, 0.8, 0.75)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    monkeypatch.setattr(sys, "argv", ["spl_gain.py", str(path), "--sizes"])
    module.main()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    differences = ["V1 over start, 10", "V1 over start, 20", "SPL over V1, 10", "SPL over V1, 20"]
    assert lines[0] == ["trained by", "mismatch", *differences]
    assert lines[2] == ["VAT", "0.3", "-4.00*", "-3.00*", "-9.50*", "-9.50*"]
    assert lines[3] == ["Pi", "0.3", "+1.00", "+2.00", "-5.00", "-5.00"]
    assert lines[4] == ["average of 2", "0.3", "-1.50", "-0.50", "-7.25", "-7.25"]
