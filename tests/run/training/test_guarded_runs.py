"""Runs that are in each other's way, that go on as something else, or that have gone wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from one_line import contents
from sweep_request import sweep_request

from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.directory import LOCK
from usb_negsamp.run.sweep.grid import make_plan

WriteConfig = Callable[..., str]
SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 2, "img_size": 16, "validation_size": 60}


def trained(write_config: WriteConfig, **keys: Any) -> Path:
    config = write_config(**{**SHORT, **keys})
    assert main(["train", "--c", config]) == 0
    return Path("runs/one")


def refused(run: Path, capsys: pytest.CaptureFixture[str], fragment: str, *words: str) -> None:
    """The command ends in one line that says so, and leaves the run as it is."""
    before = {name: content for name, content in contents(run).items() if name != LOCK}
    capsys.readouterr()
    assert main(["train", "--c", "run.yaml", *words]) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert fragment in errors[0]
    assert {name: content for name, content in contents(run).items() if name != LOCK} == before


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["--lr", "0.5"], "has lr 0.03 (now 0.5)"),
        (["--algorithm", "fixmatch"], "has algorithm vat_ns3l (now fixmatch)"),
        (["--batch_size", "4"], "has batch_size 8 (now 4)"),
        (["--ns3l_weight", "5"], "has ns3l_weight 1.0 (now 5.0)"),
        (["--optim", "Adam"], "has optim SGD (now Adam)"),
        (
            ["--num_train_iter", "2"],
            "num_train_iter: expected at least the 4 iterations of runs/one/latest_model.pth, but got 2",
        ),
    ],
)
def test_a_run_goes_on_as_what_it_was(
    words: list[str], fragment: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(trained(write_config), capsys, fragment, "--resume", *words)


def test_a_run_that_has_lost_what_it_was_asked_says_so_where_it_goes_on(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    words = "usb-negsamp: runs/one holds no manifest.json: it is not known whether its run was asked the same"
    assert main(["train", "--c", "run.yaml", "--resume", "--num_train_iter", "6"]) == 0
    assert words not in capsys.readouterr().err
    (run / "manifest.json").unlink()
    assert main(["train", "--c", "run.yaml", "--resume", "--num_train_iter", "8"]) == 0
    assert words in capsys.readouterr().err.splitlines()


def test_a_run_may_be_made_longer_and_shown_otherwise(write_config: WriteConfig) -> None:
    run = trained(write_config)
    words = ["--num_train_iter", "6", "--num_log_iter", "1", "--eval_batch_size", "64", "--curve", "false"]
    assert main(["train", "--c", "run.yaml", "--resume", *words]) == 0
    manifest = json.loads((run / "manifest.json").read_text())
    assert (manifest["iterations_done"], manifest["exit_reason"]) == (6, "finished")


def test_another_runs_checkpoint_does_not_replace_a_run(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    assert main(["train", "--c", "run.yaml", "--save_name", "other", "--seed", "1"]) == 0
    words = ["--resume", "--load_path", "runs/other/latest_model.pth"]
    refused(run, capsys, "runs/one already holds a run, which going on from runs/other/latest_model.pth would", *words)


GO_ON_ELSEWHERE = ["--resume", "--load_path", "runs/one/latest_model.pth", "--save_name", "more"]


def test_a_run_that_goes_on_in_another_folder_has_its_best_model_there(write_config: WriteConfig) -> None:
    # At this rate no later evaluation is better than the first.
    run = trained(write_config, lr=1e-9)
    assert main(["train", "--c", "run.yaml", *GO_ON_ELSEWHERE, "--num_train_iter", "6"]) == 0
    assert Path("runs/more/model_best.pth").read_bytes() == (run / "model_best.pth").read_bytes()
    assert Path("runs/more/results.csv").is_file()


def test_without_the_best_model_so_far_the_next_one_is_the_best(write_config: WriteConfig) -> None:
    run = trained(write_config, lr=1e-9)
    (run / "model_best.pth").unlink()
    assert main(["train", "--c", "run.yaml", *GO_ON_ELSEWHERE, "--num_train_iter", "6"]) == 0
    assert read_checkpoint("runs/more/model_best.pth")["best_it"] == 5


def test_a_training_that_is_done_needs_its_best_model(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    (run / "model_best.pth").unlink()
    refused(run, capsys, "expected the best model of the training beside runs/one/latest_model.pth", *GO_ON_ELSEWHERE)
    assert not Path("runs/more").exists()


def test_an_overwritten_run_is_there_until_the_new_one_can_begin(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    refused(run, capsys, "small_cnn takes images from 16x16, but got 8x8", "--overwrite", "--img_size", "8")


@pytest.mark.parametrize("flag", ["--resume", "--overwrite"])
def test_two_processes_cannot_train_into_one_folder(
    flag: str, write_config: WriteConfig, occupied: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    occupied(run)
    refused(run, capsys, "another run is at work in runs/one", flag, "--num_train_iter", "6")


@pytest.mark.parametrize(
    "seen", [{}, {"seen_classes": 3, "num_classes": 3, "mismatch_ratio": 0.0, "num_unlabeled": 90}]
)
def test_a_run_that_diverged_has_no_result(
    seen: dict[str, Any], write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(
        **{**SHORT, **seen, "algorithm": "supervised", "lr": 1e9, "num_labels": 30, "num_eval_iter": 4}
    )
    assert main(["train", "--c", config]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(
        "usb-negsamp: error: the network's outputs on the 'eval' images are not finite after iteration 4"
    )
    assert "a lower lr than 1e+09 may help" in error
    assert not Path("runs/one/results.csv").exists()
    assert json.loads(Path("runs/one/manifest.json").read_text())["exit_reason"].startswith("error: TrainingDiverged")


def test_the_mask_is_not_learned_on_images_that_the_run_was_trained_on(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config, algorithm="supervised", num_labels=400)
    spl = ["--algorithm", "supervised_spl", "--spl_from", "runs/one", "--spl_mismatch", "0.3", "--save_name", "two"]
    with np.load(run / "split.npz") as saved:
        assert len(saved["labeled"]) == 400
    refused(run, capsys, "held-out images, which the mask learns on, were labeled training", *spl, "--split_seed", "7")
    assert not Path("runs/two").exists()
    short = ["--spl_rounds", "1", "--spl_inner_steps", "1", "--spl_outer_steps", "1"]
    assert main(["train", "--c", "run.yaml", *spl, *short]) == 0


def test_plain_sgd_trains(write_config: WriteConfig) -> None:
    trained(write_config, momentum=0)


def test_a_grid_may_hold_lists(write_config: WriteConfig) -> None:
    words = ["--c", write_config(lr_schedule="step"), "--grid", "lr_decay_iters=[1,2],[3]", "lr=0.1,0.2"]
    plan = make_plan(sweep_request(words))
    assert plan.grid["lr_decay_iters"] == ([1, 2], [3])
    assert len(plan.runs) == 4


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["--eval_batch_size", "0"], "eval_batch_size: expected a whole number above 0, but got 0"),
        (["--num_workers", "-1"], "num_workers: expected a whole number from 0 to 1024, but got -1"),
        (["--ood_data", "svhn"], "ood_data: expected none without seen_classes, but got ['svhn']"),
    ],
)
def test_an_evaluation_is_checked_as_a_training_is(
    words: list[str], fragment: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    capsys.readouterr()
    assert main(["eval", str(run), *words]) == 2
    assert capsys.readouterr().err == f"usb-negsamp: error: {fragment}\n"


def test_the_weights_of_another_network_are_one_line(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    assert main(["train", "--c", "run.yaml", "--net", "cnn13", "--img_size", "32", "--save_name", "two"]) == 0
    (run / "model_best.pth").write_bytes(Path("runs/two/model_best.pth").read_bytes())
    capsys.readouterr()
    assert main(["eval", str(run)]) == 2
    assert (
        "expected the weights of the run's own network (SmallCNN) at runs/one/model_best.pth" in capsys.readouterr().err
    )


@pytest.mark.parametrize("value", ["abc", "nan", "57.3"])
def test_a_table_of_what_is_no_accuracy_is_one_line(
    value: str, write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(write_config)
    header, row = (line.split(",") for line in (run / "results.csv").read_text().splitlines())
    row[header.index("test_acc_at_best")] = value
    (run / "results.csv").write_text(",".join(header) + "\n" + ",".join(row) + "\n")
    capsys.readouterr()
    assert main(["report", str(run)]) == 2
    assert (
        f"expected an accuracy from 0 to 1 in the column test_acc_at_best, but got '{value}'" in capsys.readouterr().err
    )
