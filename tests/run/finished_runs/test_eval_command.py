"""``usb-negsamp eval``: a saved network gives the figures of its run again."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_line import assert_one_line, contents
from PIL import Image

from usb_negsamp.host.checkpoints.file import read_checkpoint, write_checkpoint
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration import checks
from usb_negsamp.run.finished_runs.rebuild import build_again
from usb_negsamp.run.records.manifest import config_of

WriteConfig = Callable[..., str]
SHORT = {
    "num_train_iter": 6,
    "num_log_iter": 2,
    "num_eval_iter": 2,
    "img_size": 16,
    "validation_size": 100,
    "ema_m": 0.9,
}
OPEN = {"num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30}
SPL = {"spl_rounds": 1, "spl_inner_steps": 4, "spl_outer_steps": 4, "bn_batches": 2}


def trained(write_config: WriteConfig, **keys: Any) -> tuple[str, dict[str, float]]:
    """The folder of a run, and the numbers in its row of results."""
    assert main(["train", "--c", write_config(**{**SHORT, **keys})]) == 0
    with open("runs/one/results.csv", newline="") as file:
        [row] = csv.DictReader(file)
    return "runs/one", {name: float(value) for name, value in row.items() if value.replace(".", "", 1).isdigit()}


def evaluated(capsys: pytest.CaptureFixture[str], run: str, *more: str) -> dict[str, float]:
    before = contents(Path(run))
    capsys.readouterr()
    assert main(["eval", run, "--json", *more]) == 0
    assert contents(Path(run)) == before
    found: dict[str, dict[str, float]] = json.loads(capsys.readouterr().out)
    return found[run]


def test_the_best_and_the_last_model_give_the_row_of_their_run(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run, row = trained(write_config, dnll_evaluate="average", algorithm="pseudolabel_dnll", lr=0.03)
    best, last = evaluated(capsys, run), evaluated(capsys, run, "--model", "last")
    assert (best["test/top-1-acc"], last["test/top-1-acc"]) == (row["test_acc_at_best"], row["test_acc_last"])
    assert (best["eval/top-1-acc"], last["eval/top-1-acc"]) == (row["eval_best_acc"], row["eval_last_acc"])
    for name in ("first", "peer", "average"):
        assert best[f"test/{name}_acc"] == row[f"{name}_test_acc"]
        assert last[f"test/{name}_acc"] == row[f"{name}_test_acc_last"]
    assert best["test/top-1-acc"] == best["test/average_acc"]
    assert main(["eval", run, run]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "runs/one/model_best.pth"
    assert [line.split() for line in lines] == [[name, f"{value:.4f}"] for name, value in best.items()]


def test_what_spl_has_left_is_evaluated_with_unseen_classes_and_against_other_data(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run, row = trained(write_config, algorithm="pseudolabel_spl", lr=0.03, **OPEN, **SPL)
    start, repaired = evaluated(capsys, run), evaluated(capsys, run, "--model=spl")
    assert (start["test/top-1-acc"], start["open/auroc"]) == (row["spl_start_test_acc"], row["spl_start_open_auroc"])
    assert (repaired["test/top-1-acc"], repaired["open/auroc"]) == (row["spl_test_acc"], row["spl_open_auroc"])
    assert (start["open/auroc"], start["open/pool/auroc"]) == (row["open_auroc"], row["pool_auroc"])
    assert start["open/auroc"] != repaired["open/auroc"]
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (5, 9, 9), dtype=np.uint8)):
        Path("noise").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(f"noise/{number}.png")
    other = evaluated(capsys, run, "--ood_data", "noise", "--open_reject", "threshold")
    assert {"open/noise/auroc", "open/balanced_acc"} <= set(other) - set(start)
    assert {name: other[name] for name in start} == start


def test_a_run_that_started_from_another_is_evaluated_without_it(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(write_config, algorithm="pseudolabel", **OPEN)
    Path("runs/one").rename("runs/source")
    run, row = trained(write_config, algorithm="pseudolabel_spl", spl_from="runs/source", **OPEN, **SPL)
    Path("runs/source").rename("runs/elsewhere")
    assert evaluated(capsys, run, "--model", "spl")["test/top-1-acc"] == row["spl_test_acc"]


def test_what_spl_has_left_of_two_networks_is_one(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {"algorithm": "pseudolabel_dnll_spl", "dnll_evaluate": "average", "lr": 0.03, **OPEN, **SPL}
    run, row = trained(write_config, **keys)
    repaired = evaluated(capsys, run, "--model", "spl")
    assert repaired["test/top-1-acc"] == row["spl_test_acc"]
    assert "test/average_acc" not in repaired
    assert row["spl_start_test_acc"] == row["first_test_acc"] != row["test_acc_at_best"]


def test_the_gpu_of_the_training_is_not_asked_for_again(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = trained(write_config, algorithm="supervised", gpu=3)
    assert config_of(Path(run))["gpu"] == 3
    asked = []
    monkeypatch.setattr(checks, "check", lambda args, *rest: asked.append((args.device, args.gpu)))
    build_again(Path(run))
    build_again(Path(run), {"gpu": "1"})
    assert asked == [("auto", None), ("auto", 1)]


def test_other_data_than_the_run_s_are_refused(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    run, _ = trained(write_config, algorithm="supervised")
    manifest = Path(run) / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "data_digest": "0" * 64}))
    capsys.readouterr()
    line = (
        "runs/one was trained on other data: expected images with the digest 000000000000, but those of dataset digits"
    )
    assert_one_line(["eval", run], line, Path(), capsys)
    assert_one_line(["eval", run, "--model", "spl"], "expected model_spl.pth (--model spl)", Path(), capsys)


def test_a_checkpoint_of_another_network_is_one_line_for_each_who_reads_it(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _ = trained(write_config, algorithm="pseudolabel_dnll")
    best = Path(run, "model_best.pth")
    saved = read_checkpoint(best)
    weights = dict(saved["ema_model"])
    name = next(name for name, tensor in weights.items() if tensor.dim() == 4)
    peer = {**saved["peer"], "ema_model": {**weights, name: torch.zeros(3)}}
    differs = "differ in 1 tensors, first"
    for changes, line in (
        ({"ema_model": {**weights, name: torch.zeros(3)}}, f"model_best.pth, but they {differs} {name} is (3,) there"),
        ({"ema_model": {**weights, "more": torch.zeros(3)}}, f"{differs} more is not expected"),
        ({"peer": peer}, f"{differs} {name} is (3,) there"),
        ({"peer": 3}, "but it has no ema_model"),
        ({"run_state": {**saved["run_state"], "numpy_rng": 3}}, "expected the state of NumPy's generator"),
    ):
        write_checkpoint({**saved, **changes}, best)
        capsys.readouterr()
        assert_one_line(["eval", run], line, Path(), capsys)
        assert_one_line(["figure", run], line, Path(), capsys)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "eval needs the folder of a run"),
        (["nowhere"], "nowhere holds no run: expected its manifest.json"),
        (["nowhere", "--model", "bst"], "unknown --model 'bst'; did you mean 'best'"),
        (["nowhere", "--lr", "0.1"], "unknown key of an evaluation 'lr'"),
        (["nowhere", "--ood_dta", "svhn"], "did you mean 'ood_data'"),
    ],
)
def test_a_wrong_request_is_one_line(
    words: list[str], line: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(["eval", *words], line, work_dir, capsys)


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--help"]) == 0
    assert "--model" in capsys.readouterr().out
