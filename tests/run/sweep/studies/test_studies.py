"""``usb-negsamp reproduce STUDY``: what each run is given, what it leaves, and that the studies there can be run."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from yaml_text import yaml_text

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.packaged import packaged_configs
from usb_negsamp.run.records.results import COLUMNS
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.papers.rows import tables
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.run.sweep.studies.reproduce_study import chosen_cells, plan_of
from usb_negsamp.run.sweep.studies.study_file import find_study, packaged_studies, read_study
from usb_negsamp.testing import TINY_RUN

CLONE = Path(__file__).parents[4]


def write_study(path: Path, methods: dict[str, Any], seeds: list[int], **common: Any) -> None:
    keys = {**TINY_RUN, "curve": False, "use_tensorboard": False, **common}
    path.write_text(
        yaml_text({"title": "tiny runs", "common": keys, "datasets": {"": {}}, "methods": methods, "seeds": seeds})
    )


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def reproduce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run the command in an empty folder, with runs below ``runs``; returns its exit code."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return lambda *words: main(["reproduce", *map(str, words), "--save_dir", "runs"])


def test_a_method_wins_over_a_data_set_and_that_over_what_is_common(tmp_path: Path) -> None:
    path = tmp_path / "small.yaml"
    content = {
        "title": "small",
        "common": {"lr": 1, "net": "common", "T": 1},
        "datasets": {"a": {"net": "dataset", "T": 2}, "b": {}},
        "methods": {"x y": {"T": 3}, "z": {"lr": None, "load_path": "{runs}/{data}-{T}-{seed}"}},
        "seeds": [0, 7],
    }
    path.write_text(yaml_text(content))
    found = list(read_study(path).cells(tmp_path / "runs"))
    assert len(found) == 8
    assert [found[0].keys[key] for key in ("net", "T", "lr")] == ["dataset", 3, 1]
    assert "lr" not in found[1].keys
    assert found[1].keys["load_path"] == f"{tmp_path}/runs/a-2-0"
    assert found[0].directory == tmp_path / "runs" / "small" / "a-xy-0"
    assert [cell.keys["seed"] for cell in found] == [0] * 4 + [7] * 4
    assert all(cell.keys["seed"] == cell.keys["split_seed"] for cell in found)


def test_a_study_is_run_once_and_its_rows_say_what_they_are(
    reproduce: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = tmp_path / "tiny.yaml", tmp_path / "runs" / "tiny"
    write_study(path, {"NS3L": {"algorithm": "ns3l"}, "supervised": {"algorithm": "supervised"}}, [3])
    assert reproduce(path, "--only", "method=NS3L") == 0
    assert reproduce(path, "--jobs", 2) == 0
    printed = capsys.readouterr()
    assert "1 run; 1 at a time" in printed.err
    assert "2 runs, 1 finished before; 2 at a time" in printed.err
    # A part that has finished leaves the rows of the rest where they are.
    assert reproduce(path, "--only", "method=NS3L") == 0
    rows = rows_of(folder / "results.csv")
    assert list(rows[0])[:4] == ["study", "data", "setting", "method"]
    assert set(COLUMNS) <= rows[0].keys()
    assert {(row["study"], row["method"], row["algorithm"], row["split_seed"]) for row in rows} == {
        ("tiny", "NS3L", "ns3l", "3"),
        ("tiny", "supervised", "supervised", "3"),
    }
    assert all(0 <= float(row["test_acc_last"]) <= 1 for row in rows)


def test_its_tables_stand_beside_the_rows_one_for_each_data_set_and_setting(
    reproduce: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.yaml"
    keys = {**TINY_RUN, "curve": False, "use_tensorboard": False, "num_train_iter": 2, "num_eval_iter": 2}
    content = {
        "title": "two lengths",
        "common": keys,
        "datasets": {"digits": None},
        "settings": {"short": {}, "long": {"num_train_iter": 4, "num_eval_iter": 4}},
        "methods": {"supervised": {"algorithm": "supervised"}, "NS3L": {"algorithm": "ns3l"}},
        "seeds": [0, 1],
        "baseline": "supervised",
        "measure": "last",
    }
    path.write_text(yaml_text(content))
    assert reproduce(path, "--jobs", 2) == 0
    text = (tmp_path / "runs" / "tiny" / "table.md").read_text()
    assert text in capsys.readouterr().out
    assert text.startswith("two lengths\n\n### digits, short\n")
    assert text.count("### digits, long") == 1
    errors = {
        (row["setting"], row["method"], row["seed"]): 100 * (1 - float(row["test_acc_last"]))
        for row in rows_of(tmp_path / "runs" / "tiny" / "results.csv")
    }
    lines = [line for line in text.splitlines() if line.startswith("| NS3L")]
    for line, setting in zip(lines, ("short", "long"), strict=True):
        mean = (errors[setting, "NS3L", "0"] + errors[setting, "NS3L", "1"]) / 2
        base = (errors[setting, "supervised", "0"] + errors[setting, "supervised", "1"]) / 2
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1].startswith(f"{mean:.2f} ±")
        assert cells[2] == "2"
        assert cells[3].startswith(f"{mean - base:+.2f} [")


def test_a_study_that_was_stopped_goes_on_and_takes_no_run_of_other_keys(
    reproduce: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "tiny.yaml"
    write_study(path, {"supervised": {"algorithm": "supervised"}}, [0])
    started: list[list[str]] = []

    class Ended:
        """A run that was stopped after it had saved a checkpoint."""

        def poll(self) -> int:
            return 143

    def start(run: Run, extra: Sequence[str], environment: Any, **means: Any) -> Any:
        started.append(list(extra))
        run.directory.mkdir(parents=True, exist_ok=True)
        manifest = {"config": run.config, "exit_reason": "SIGTERM"}
        (run.directory / "manifest.json").write_text(json.dumps(manifest, default=str))
        (run.directory / "latest_model.pth").write_bytes(b"")
        return Ended()

    monkeypatch.setattr(workers, "start_training", start)
    assert reproduce(path) == 1
    assert reproduce(path) == 1
    assert started == [[], ["--resume"]]
    capsys.readouterr()
    assert reproduce(path, "--lr", 0.5) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "holds a run with lr 0.01 (now 0.5)" in line
    assert reproduce(path, "--lr", 0.5, "--overwrite") == 1
    assert started[2:] == [["--overwrite"]]


def test_a_run_waits_for_the_one_of_its_study_that_it_starts_from(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    methods = {
        "a": {"algorithm": "supervised_spl"},
        "b": {"algorithm": "supervised"},
        "a, V1": {"algorithm": "supervised_spl", "spl_control": "finetune", "spl_from": "{runs}/tiny/a-{seed}"},
    }
    write_study(path, methods, [0, 1], validation_size=60)
    study = read_study(path)
    cells = list(study.cells(tmp_path))
    plan = plan_of(study, cells, tmp_path, {})
    assert [sorted(folder.name for folder in run.after) for run in plan.runs] == [[], [], ["a-0"], [], [], ["a-1"]]
    assert plan.runs[2].config["spl_from"] == str(tmp_path / "tiny/a-0")
    with pytest.raises(ConfigError, match=r"^a,V1-0: spl_from: expected the folder .* is not there"):
        plan_of(study, cells[2:3], tmp_path, {})
    assert len(plan_of(study, cells[2:3], tmp_path, {}, to_start=False).runs) == 1


def test_the_first_seeds_can_be_asked_for_and_the_commands_alone(
    reproduce: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.yaml"
    write_study(path, {"supervised": {"algorithm": "supervised"}}, [4, 9, 2])
    assert reproduce(path, "--seeds", 2, "--dry_run", "--lr", 0.25) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("usb-negsamp train ") and "--lr=0.25" in line for line in lines)
    assert ["--seed=4 " in lines[0], "--seed=9 " in lines[1]] == [True, True]
    assert not (tmp_path / "runs").exists()


def test_a_part_is_chosen_by_names_and_keys_and_names_may_have_commas(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    write_study(path, {"VAT, V1": {"lr": 1}, "VAT": {"lr": 1}, "Pi": {"lr": 2}}, [0, 1])
    study = read_study(path)

    def chosen(only: str) -> list[str]:
        return [cell.directory.name for cell in chosen_cells(study, tmp_path, only)]

    assert chosen("method=VAT, V1,seed=1") == ["VAT,V1-1"]
    assert chosen("seed=0,lr=1") == ["VAT,V1-0", "VAT-0"]
    assert chosen("method=Pi") == ["Pi-0", "Pi-1"]
    assert chosen("method=Pi, method=VAT, V1,seed=1") == ["VAT,V1-1", "Pi-1"], "a key's values are alternatives"


def test_at_full_scale_it_is_the_paper_s_table(
    reproduce: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tiny.yaml"
    write_study(path, {"supervised": {"algorithm": "supervised"}}, [0])
    full = {"full": {"table": "ns3l/table1", "only": "cifar10_vat_ns3l"}}
    path.write_text(path.read_text() + yaml_text(full))
    assert reproduce(path, "--scale", "full", "--seeds", 1, "--dry_run") == 0
    of_study = capsys.readouterr().out
    assert reproduce("ns3l/table1", "--only", "cifar10_vat_ns3l", "--seeds", 1, "--dry_run") == 0
    of_paper = capsys.readouterr().out
    trained = [line for line in of_study.splitlines() if line.startswith("usb-negsamp train")]
    assert trained
    assert trained == [line for line in of_paper.splitlines() if line.startswith("usb-negsamp train")]
    assert reproduce(path, "--scale", "full", "--seeds", 1, "--dry_run", "--only", "vat") == 0
    assert capsys.readouterr().out == of_study, "of those that are the study's"
    assert reproduce(path, "--scale", "full", "--only", "svhn") == 2


WHOLE = {
    "title": "x",
    "common": {"algorithm": "supervised"},
    "datasets": {"": {}},
    "methods": {"": {}},
    "seeds": [0],
}


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        (
            {"title": None, "seeds": None},
            [],
            "expected the keys common, datasets, methods, seeds, title of a study, but got",
        ),
        ({"setting": {}}, [], "unknown key 'setting' of a study; did you mean 'settings'?"),
        ({"seeds": ["a"]}, [], "seeds: expected a list of whole numbers, but got ['a']"),
        ({"methods": ["vat"]}, [], "methods: expected names, each with its keys"),
        ({"baseline": "VAT"}, [], "unknown method as the baseline 'VAT'"),
        ({"measure": "lst"}, [], "unknown measure 'lst'; did you mean 'last'?"),
        ({"full": {"only": "x"}}, [], "full: expected the keys table and, if need be, only"),
        (
            {"methods": {"VAT": {}, "Pi": {}}},
            ["--only", "method=VTA"],
            "unknown method of tiny 'VTA'; did you mean 'VAT'?",
        ),
        ({}, ["--only", "metod=VAT"], "unknown name or key of tiny in --only 'metod'; did you mean 'method'?"),
        ({}, ["--only", "data=,seed=1"], "unknown seed of tiny '1'; expected one of: 0"),
        ({"methods": {"a": {"lr": 1}, "b": {}}}, ["--only", "method=b,lr=1"], "tiny has no run with method=b,lr=1"),
        (
            {},
            ["--only", "method"],
            "--only: expected KEY=VALUE,KEY=VALUE for a study, e.g. method=VAT, but got",
        ),
        ({}, ["--seeds", 2], "--seeds: expected at most 1, which tiny has, but got 2"),
        ({}, ["--scale", "smoke"], "--scale: expected full, or none, which is tiny's own, but got smoke"),
        ({}, ["--scale", "full"], "--scale: tiny is no paper's table in small: leave it out"),
        ({"common": {"algorithm": "supervised", "lrr": 1}}, [], "0: unknown key 'lrr'; did you"),
    ],
)
def test_a_study_that_cannot_be_is_one_line(
    reproduce: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    words: list[Any],
    message: str,
) -> None:
    content = {key: value for key, value in {**WHOLE, **changes}.items() if value is not None}
    (tmp_path / "tiny.yaml").write_text(yaml_text(content))
    assert reproduce(tmp_path / "tiny.yaml", *words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("usb-negsamp: error: ")
    assert message in line
    assert not (tmp_path / "runs").exists()


def test_the_names_of_studies_are_no_names_of_tables_or_configurations() -> None:
    assert not packaged_studies().keys() & (tables().keys() | packaged_configs().keys())
    assert find_study("speed/options") == packaged_studies()["speed_options"]
    assert find_study("ns3l/table1") is None
    assert find_study(str(CLONE / "config" / "vat_ns3l_digits.yaml")) is None


@pytest.mark.usefixtures("no_plugin_stays")
@pytest.mark.parametrize("name", packaged_studies())
def test_every_run_of_a_study_resolves(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CLONE)
    study = read_study(packaged_studies()[name])
    first: dict[Any, Any] = {}
    for cell in study.cells(tmp_path):
        first.setdefault(tuple(cell.names.values()), cell)
    plan = plan_of(study, list(first.values()), tmp_path, {}, to_start=False)
    assert [run.directory for run in plan.runs] == [cell.directory for cell in first.values()]
