"""The script that runs the studies of benchmarks/: what each run is given, and that the studies there can be run."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from repository_script import load_script
from yaml_text import yaml_text

from usb_negsamp import algorithms
from usb_negsamp.errors import ConfigError
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.run.configuration import plugins
from usb_negsamp.run.records.results import COLUMNS
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.testing import TINY_RUN, parameters_of, train_tiny

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


@pytest.fixture
def run_study(study: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the script with a command line in an empty folder; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object) -> int:
        monkeypatch.setattr(sys, "argv", ["study.py", *map(str, words)])
        return study.main()

    return run


def write_study(path: Path, methods: dict[str, Any], seeds: list[int], **common: Any) -> None:
    keys = {**TINY_RUN, "curve": False, "use_tensorboard": False, **common}
    path.write_text(yaml_text({"common": keys, "datasets": {"": {}}, "methods": methods, "seeds": seeds}))


def test_a_study_is_run_once_and_collected(run_study, tmp_path, capsys):
    path, runs, out = tmp_path / "tiny.yaml", tmp_path / "runs", tmp_path / "rows.csv"
    write_study(path, {"NS3L": {"algorithm": "ns3l"}, "supervised": {"algorithm": "supervised"}}, [3])
    assert run_study(path, "--runs", runs, "--only", "method=NS3L") == 0
    assert run_study(path, "--runs", runs, "--jobs", 2) == 0
    assert run_study(path, "--runs", runs) == 0
    printed = capsys.readouterr().err
    assert "1 run; 1 at a time" in printed
    assert "2 runs, 1 finished before; 2 at a time" in printed
    assert "2 runs, 2 finished before" in printed
    assert run_study(path, "--runs", runs, "--collect", out) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["study", "data", "setting", "method", *COLUMNS]
    assert [(row["study"], row["method"], row["algorithm"], row["split_seed"]) for row in rows] == [
        ("tiny", "NS3L", "ns3l", "3"),
        ("tiny", "supervised", "supervised", "3"),
    ]
    assert all(0 <= float(row["test_acc_last"]) <= 1 for row in rows)
    assert "rows.csv: 2 rows of 2 runs" in capsys.readouterr().out


def test_a_study_that_was_stopped_goes_on_and_takes_no_run_of_other_keys(run_study, tmp_path, capsys, monkeypatch):
    path, runs = tmp_path / "tiny.yaml", tmp_path / "runs"
    write_study(path, {"supervised": {"algorithm": "supervised"}}, [0])
    started: list[list[str]] = []

    class Ended:
        """A run that was stopped after it had saved a checkpoint."""

        def poll(self) -> int:
            return 143

    def start(run: Run, extra: Sequence[str], environment: Any, new_session: bool) -> Any:
        started.append(list(extra))
        run.directory.mkdir(parents=True, exist_ok=True)
        manifest = {"config": run.config, "exit_reason": "SIGTERM"}
        (run.directory / "manifest.json").write_text(json.dumps(manifest, default=str))
        (run.directory / "latest_model.pth").write_bytes(b"")
        return Ended()

    monkeypatch.setattr(workers, "start_training", start)
    assert run_study(path, "--runs", runs) == 1
    assert run_study(path, "--runs", runs) == 1
    assert started == [[], ["--resume"]]
    capsys.readouterr()
    write_study(path, {"supervised": {"algorithm": "supervised"}}, [0], lr=0.5)
    assert run_study(path, "--runs", runs) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "holds a run with lr 0.01 (now 0.5)" in line
    assert run_study(path, "--runs", runs, "--overwrite") == 1
    assert started[2:] == [["--overwrite"]]


def test_a_run_waits_for_the_one_of_its_study_that_it_starts_from(study, tmp_path):
    path = tmp_path / "tiny.yaml"
    methods = {
        "a": {"algorithm": "supervised_spl"},
        "b": {"algorithm": "supervised"},
        "a, V1": {"algorithm": "supervised_spl", "spl_control": "finetune", "spl_from": "{runs}/tiny/a-{seed}"},
    }
    write_study(path, methods, [0, 1], validation_size=60)
    cells = list(study.cells(path, tmp_path))
    plan = study.plan_of(cells, tmp_path / "tiny")
    assert [sorted(folder.name for folder in run.after) for run in plan.runs] == [[], [], ["a-0"], [], [], ["a-1"]]
    assert plan.runs[2].config["spl_from"] == str(tmp_path / "tiny/a-0")
    with pytest.raises(ConfigError, match=r"^a,V1-0: spl_from: expected the folder .* is not there"):
        study.plan_of(cells[2:3], tmp_path / "tiny")
    assert len(study.plan_of(cells[2:3], tmp_path / "tiny", to_start=False).runs) == 1


@pytest.mark.parametrize(
    ("content", "words", "message"),
    [
        (None, [], "tiny.yaml: No such file or directory"),
        ({"common": {}, "methods": {}, "seeds": []}, [], "must have the keys common, datasets, methods, seeds"),
        ({"method": 1}, [], "and may have settings; it has method"),
        ({}, ["--only", "method=c"], "tiny.yaml has no run with method=c"),
        ({}, ["--only", "method"], "--only: expected KEY=VALUE,KEY=VALUE, got 'method'"),
        ({"common": {"algorithm": "supervised", "lrr": 1}}, [], "0: command line: unknown key 'lrr'; did you"),
    ],
)
def test_a_study_that_cannot_be_is_one_line(run_study, tmp_path, capsys, content, words, message):
    whole = {"common": {"algorithm": "supervised"}, "datasets": {"": {}}, "methods": {"": {}}, "seeds": [0]}
    if content is not None:
        complete = content if "methods" in content or "method" in content else {**whole, **content}
        (tmp_path / "tiny.yaml").write_text(yaml_text(complete))
    assert run_study(tmp_path / "tiny.yaml", "--runs", tmp_path / "runs", *words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("study.py: error: ")
    assert message in line
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def no_plugin_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets what a study's plugin registers be there for this test alone."""
    kept = dict(ALGORITHMS._dict)
    monkeypatch.setattr(algorithms, "_registered", dict(algorithms._registered))
    monkeypatch.setattr(plugins, "_called", set(plugins._called))
    yield
    ALGORITHMS._dict.clear()
    ALGORITHMS._dict.update(kept)


@pytest.mark.usefixtures("no_plugin_stays")
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_run_of_a_study_resolves(study, path, tmp_path, monkeypatch):
    monkeypatch.chdir(BENCHMARKS.parent)
    first: dict[Any, Any] = {}
    for cell in study.cells(path, tmp_path):
        first.setdefault(tuple(cell.names.values()), cell)
    plan = study.plan_of(list(first.values()), tmp_path / path.stem, to_start=False)
    assert [run.directory for run in plan.runs] == [cell.directory for cell in first.values()]


def test_a_variant_of_the_gate_at_its_defaults_is_the_gate(tmp_path, monkeypatch, no_plugin_stays):
    monkeypatch.chdir(BENCHMARKS.parent)
    load_script(BENCHMARKS / "gate_variants.py").register()
    keys = {"ns3l_gate": "neighbors", "ns3l_ramp": 0.0, "ns3l_threshold": 0.09}
    ends = [
        parameters_of(train_tiny(f"fixmatch_{name}", tmp_path / name, **keys, **more))
        for name, more in (
            ("ns3l", {}),
            ("variant", {}),
            ("variant", {"ns3l_gate_by_class": True}),
            ("variant", {"ns3l_gate_class_agrees": True}),
            ("variant", {"ns3l_agreed_negatives": True}),
            ("variant", {"ns3l_gate_power": 2.0}),
            ("variant", {"ns3l_start": 0.5}),
        )
    ]
    alike = [all(torch.equal(tensor, end[name]) for name, tensor in ends[0].items()) for end in ends]
    assert alike == [True, True, False, False, False, False, False]


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


def test_what_the_gate_gains_is_chosen_on_some_splits_and_reported_on_others(tmp_path, capsys, monkeypatch):
    module = load_script(BENCHMARKS / "gate_gain.py")
    path = tmp_path / "rows.csv"
    columns = ("data", "method", "mismatch_ratio", "split_seed", "eval_last_acc", "test_acc_last", "weight_seen")
    rows = [
        ("usps", method, share, seed, accuracy + gain, accuracy + gain + other, weight)
        for seed, accuracy in enumerate((0.8, 0.9, 0.7))
        for share in ("0.0", "0.6")
        for method, gain, other, weight in (
            ("VAT", 0.0, 0.0, ""),
            ("VAT + NS3L", 0.02, -0.02 * (seed > 0), ""),
            ("VAT + NS3L gate", 0.01, 0.01 * (seed > 0) + 0.01 * (seed > 1), 0.5 + seed / 10),
        )
    ]
    # One that was not run on all data is not chosen by what it has.
    rows.append(("usps", "VAT + NS3L late", "0.6", 0, 0.99, 0.99, ""))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    monkeypatch.setattr(sys, "argv", ["gate_gain.py", str(path), "--choose", "0"])
    module.main()
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == ["**VAT + NS3L**", "0", "-2.00", "1", "+0.00 [+0.00, +0.00]", "2", "", ""]
    assert lines[4] == ["VAT + NS3L gate", "0", "-1.00", "1", "-2.50 [-3.00, -2.00]", "2", "0.60", ""]
    assert lines[6][:4] == ["VAT + NS3L late", "0.6", "-19.00", "1"]
    assert len(lines) == 7
