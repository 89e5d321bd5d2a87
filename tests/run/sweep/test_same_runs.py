"""Runs of a grid that would compute the same: trained once, shown at every value."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from one_line import assert_one_line
from sweep_request import sweep_request
from yaml_text import SMALL_RUN, yaml_text

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.results import COLUMNS, put_row
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.grid import make_plan
from usb_negsamp.run.sweep.plan import Plan, Run
from usb_negsamp.run.sweep.run_state import resume_arguments

WriteConfig = Callable[..., str]
OPEN: dict[str, Any] = {
    "algorithm": "supervised", "seen_classes": 6, "num_classes": 6, "num_labels": 24, "num_unlabeled": 300,
    "mismatch_ratio": 0.0, "validation_size": 100,
}  # fmt: skip
TINY: dict[str, Any] = {
    "img_size": 16, "num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 4, "num_workers": 0, "curve": False,
    "use_tensorboard": False, "eval_batch_size": 256,
}  # fmt: skip
MISMATCH = ["--grid", "algorithm=supervised,vat", "mismatch_ratio=0.2,0,0.4"]


def plan_of(write_config: WriteConfig, *words: str, **changes: Any) -> Plan:
    return make_plan(sweep_request(["--c", write_config(**{**OPEN, **changes}), *words]))


def started(plan: Plan) -> list[tuple[str, float]]:
    return [(run.point["algorithm"], run.point["mismatch_ratio"]) for run in plan.runs]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """Train supervised with some keys changed; returns weights, and figures on labeled images."""
    folder = tmp_path_factory.mktemp("runs")

    def train(name: str, **changes: Any) -> dict[str, Any]:
        keys = {**SMALL_RUN, **OPEN, **TINY, "save_dir": str(folder), "save_name": name, **changes}
        (folder / f"{name}.yaml").write_text(
            yaml_text({key: value for key, value in keys.items() if value is not None})
        )
        assert main(["train", "--c", str(folder / f"{name}.yaml")]) == 0
        with (folder / name / "results.csv").open(newline="") as file:
            [row] = csv.DictReader(file)
        figures = {key: row[key] for key in ("eval_best_acc", "test_acc_at_best", "test_acc_last", "open_auroc")}
        return {**torch.load(folder / name / "latest_model.pth", weights_only=True)["model"], **figures}

    return train


@pytest.fixture(scope="module")
def plain(trained: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    return trained("plain")


@pytest.mark.parametrize(
    "changes",
    [
        {"mismatch_ratio": 0.5, "num_unlabeled": 200},
        {"mismatch_ratio": 0.3, "mismatch_protocol": "fixed_seen", "uratio": 3},
        {"mismatch_ratio": 0.5, "mismatch_protocol": "class_swap", "num_unlabeled": None, "ulb_loss_ratio": 7.0},
    ],
    ids=str,
)
def test_supervised_training_does_not_depend_on_the_unlabeled_images(
    changes: dict[str, Any], plain: dict[str, Any], trained: Callable[..., dict[str, Any]]
) -> None:
    """What allows one run to stand for others: the same bits."""
    other = trained("-".join(changes), **changes)
    assert other.keys() == plain.keys()
    for name, value in plain.items():
        same = torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        assert same, name


def test_a_grid_over_the_mismatch_trains_supervised_once(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, *MISMATCH, "--seeds", "2")
    assert started(plan) == [("supervised", 0.2)] * 2 + [("vat", ratio) for ratio in (0.2, 0.0, 0.4) for _ in range(2)]
    assert [cell.point["mismatch_ratio"] for cell in plan.runs[1].also] == [0.0, 0.4]
    assert {cell.config["seed"] for cell in plan.runs[1].also} == {1}
    assert len(plan.cells) == 12


@pytest.mark.parametrize(
    ("grid", "changes", "number"),
    [
        (["ulb_loss_ratio=0.1,1", "uratio=1,2"], {}, 1),
        (["lr=0.1,0.3", "mismatch_ratio=0,0.2"], {}, 2),
        (["lr=0.1,0.3"], {}, 2),
        (["mismatch_ratio=0,0.2"], {"bn_batches": 2}, 2),
        (["mismatch_ratio=0,0.2"], {"algorithm": "fullysupervised"}, 2),
        (["mismatch_ratio=0,0.2"], {"algorithm": "supervised_ns3l"}, 2),
        (["mismatch_ratio=0,0.2"], {"imb_algorithm": "abc"}, 2),
    ],
    ids=str,
)
def test_what_may_compute_something_else_is_trained(
    grid: list[str], changes: dict[str, Any], number: int, write_config: WriteConfig
) -> None:
    assert len(plan_of(write_config, "--grid", *grid, **changes).runs) == number


def finish(run: Run) -> None:
    """Leave what a finished run leaves, with figures of the unlabeled images among the others."""
    accuracy = 0.6 if run.config["algorithm"] == "supervised" else 0.8 - run.config["mismatch_ratio"]
    figures = {"test_acc_at_best": accuracy, "eval_best_acc": 0.5, "open_auroc": 0.7, "pool_auroc": 0.9}
    values = {**{name: run.config.get(name) for name in COLUMNS}, **figures, "selection": "best on validation"}
    values.update(split_seed=run.config["seed"], split_digest=f"digest of {run.config['mismatch_ratio']}", seconds=1)
    run.directory.mkdir(parents=True, exist_ok=True)
    (run.directory / "manifest.json").write_text(json.dumps({"config": run.config, "exit_reason": "finished"}))
    put_row(run.directory / "results.csv", values)


class Finished:
    """Stands in for runs on this machine: each has finished at once."""

    pause = 0.0

    def __init__(self, jobs: int) -> None:
        pass

    def start(self, run: Run, extra: Sequence[str], slot: int) -> Any:
        finish(run)
        return self

    def poll(self) -> int:
        return 0


def rows_of(folder: str = "runs/run_sweep") -> dict[tuple[str, str], dict[str, str]]:
    with Path(folder, "results.csv").open(newline="") as file:
        return {(row["algorithm"], row["mismatch_ratio"]): row for row in csv.DictReader(file)}


def test_rows_table_and_report_show_the_one_run_at_every_mismatch(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "LocalLauncher", Finished)
    assert main(["sweep", "--c", write_config(**OPEN), *MISMATCH]) == 0
    streams = capsys.readouterr()
    assert "usb-negsamp: 4 runs; 1 at a time" in streams.err
    assert (
        "usb-negsamp: supervised reads no unlabeled images: one run stands for every mismatch_ratio"
        in streams.err.splitlines()
    )
    assert "sweep of 4 runs: 4 finished, 0 failed" in streams.out
    rows = rows_of()
    assert len(rows) == 6
    own, copy = rows["supervised", "0.2"], rows["supervised", "0.4"]
    name = "algorithm=supervised_mismatch_ratio=0.2"
    assert (own["copy_of"], copy["copy_of"], rows["vat", "0.4"]["copy_of"]) == ("", name, "")
    assert (own["test_acc_at_best"], copy["test_acc_at_best"], copy["open_auroc"]) == ("0.6", "0.6", "0.7")
    assert (own["pool_auroc"], own["split_digest"]) == ("0.9", "digest of 0.2")
    assert (copy["pool_auroc"], copy["split_digest"]) == ("", "")
    assert not Path("runs/run_sweep/algorithm=supervised_mismatch_ratio=0.4").exists()
    assert "| supervised | 60.00 | 60.00 | 60.00 |" in Path("runs/run_sweep/mismatch_curve.md").read_text()
    assert main(["report", "runs/run_sweep", "--by", "algorithm", "--baseline", "supervised"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("| supervised | 40.00 | 1 |") == 3
    assert "| vat | 60.00 | 1 | +20.00 |" in shown
    assert shown.count("A run that reads no unlabeled images stands for every value") == 2
    assert main(["sweep", "--c", "run.yaml", *MISMATCH]) == 0
    assert "4 runs, 4 finished before" in capsys.readouterr().err
    assert rows_of() == rows


def test_further_varied_keys_have_a_line_at_every_mismatch_each(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LocalLauncher", Finished)
    assert main(["sweep", "--c", write_config(**OPEN), "--grid", "lr=0.1,0.3", "mismatch_ratio=0,0.4"]) == 0
    table = Path("runs/run_sweep/mismatch_curve.md").read_text()
    assert "| supervised lr=0.3 | 60.00 | 60.00 | 60.00 |" in table
    assert len(list(Path("runs/run_sweep").glob("*/manifest.json"))) == 2


def test_what_has_finished_earlier_is_not_trained_again(write_config: WriteConfig) -> None:
    [one] = plan_of(write_config, "--grid", "mismatch_ratio=0.4,0.6").runs
    finish(one)
    [same] = plan_of(write_config, "--grid", "mismatch_ratio=0,0.2,0.4").runs
    assert same.name == one.name == "mismatch_ratio=0.4"
    assert resume_arguments(same) is None
    assert [cell.point["mismatch_ratio"] for cell in same.also] == [0.0, 0.2]


def test_a_file_in_the_place_of_the_sweep_is_said_to_be_one(
    work_dir: Path, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("runs").mkdir()
    Path("runs/run_sweep").touch()
    words = ["sweep", "--c", write_config(**OPEN), *MISMATCH]
    assert_one_line(words, "runs/run_sweep cannot be the sweep's folder: runs/run_sweep is a file", work_dir, capsys)


def test_what_was_begun_earlier_goes_on(write_config: WriteConfig) -> None:
    earlier = plan_of(write_config, "--grid", "mismatch_ratio=0.4,0.6").runs[0]
    earlier.directory.mkdir(parents=True)
    (earlier.directory / "manifest.json").write_text(json.dumps({"config": earlier.config, "exit_reason": "SIGTERM"}))
    (earlier.directory / "latest_model.pth").write_bytes(b"")
    [same] = plan_of(write_config, "--grid", "mismatch_ratio=0,0.4").runs
    assert resume_arguments(same) == ("--resume",)


def test_each_run_of_an_earlier_version_keeps_its_row_and_is_made_anew_where_that_is_asked(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "LocalLauncher", Finished)
    for cell in plan_of(write_config, "--grid", "mismatch_ratio=0,0.4").cells:
        finish(cell)
    words = ["sweep", "--c", "run.yaml", "--grid", "mismatch_ratio=0,0.4,0.6"]
    assert main(words) == 0
    rows = rows_of()
    assert [rows["supervised", ratio]["pool_auroc"] for ratio in ("0.0", "0.4", "0.6")] == ["0.9", "0.9", ""]
    assert [rows["supervised", ratio]["copy_of"] for ratio in ("0.0", "0.4")] == ["", ""]
    assert rows["supervised", "0.6"]["copy_of"] == "mismatch_ratio=0"
    assert "2 runs, 2 finished before" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert "usb-negsamp: 2 runs; 1 at a time" in capsys.readouterr().err
