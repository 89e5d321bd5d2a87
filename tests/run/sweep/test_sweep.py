"""How sweeps are worked off, stopped and taken up again."""

from __future__ import annotations

import csv
import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from made_sweeps import GRID, FakeLauncher, WriteConfig, leave_run, plan_of

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.results import COLUMNS
from usb_negsamp.run.sweep.run_state import last_row, resume_arguments
from usb_negsamp.run.sweep.sensitivity import PICTURE


def test_a_sweep_leaves_a_row_for_each_run_and_the_heat_map(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), *GRID, "--jobs", "3"]) == 0
    with Path("runs/run_sweep/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert set(COLUMNS) | {"ns3l_threshold", "ns3l_weight", "swept"} == set(rows[0])
    assert {(row["ns3l_threshold"], row["ns3l_weight"], row["seed"]) for row in rows} == {
        (threshold, weight, seed) for threshold in ("0.01", "0.02") for weight in ("1.0", "2.0") for seed in "01"
    }
    assert rows[0]["swept"] == "ns3l_threshold ns3l_weight"
    assert Path("runs/run_sweep", PICTURE).read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert lines[0] == "usb-negsamp: 8 runs; 3 at a time, into runs/run_sweep"
    first = "1/8  ns3l_threshold=0.01_ns3l_weight=1_seed=0  test error 10.00% (best on validation)  0:00:02  ETA "
    assert lines[1].startswith(first)
    assert ", a run in 0:00:0" in lines[1]
    assert lines[-1].startswith("8/8 ")
    assert len(lines) == 9
    chosen = "ns3l_threshold=0.01 ns3l_weight=1 (lowest validation error, the first of 2 that tie)"
    assert f"{chosen}: test error 10.50 ± 0.71%" in shown.out


def test_finished_runs_are_not_run_again_and_a_larger_grid_keeps_the_rows(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config()
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1,2"]) == 0
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=2.0,3"]) == 0
    assert [name for name, _ in launcher.started] == ["ns3l_weight=1", "ns3l_weight=2", "ns3l_weight=3"]
    announced, ended = capsys.readouterr().err.splitlines()[-2:]
    assert "2 runs, 1 finished before; 1 at a time" in announced
    assert announced.endswith("; about 0:00:02 left, 0:00:02 a run")
    assert ended.startswith("2/2  ns3l_weight=3  ")
    with Path("runs/run_sweep/results.csv").open() as table:
        assert sorted(row["ns3l_weight"] for row in csv.DictReader(table)) == ["1.0", "2.0", "3.0"]
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1", "--overwrite"]) == 0
    assert launcher.started[-1] == ("ns3l_weight=1", ("--overwrite",))


def test_what_a_killed_sweep_was_writing_goes_with_the_next_one(
    write_config: WriteConfig, launcher: FakeLauncher
) -> None:
    torn = Path(f"runs/run_sweep/.results.csv.{2**22 + 1}.writing")
    torn.parent.mkdir(parents=True)
    torn.write_text("half")
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=1"]) == 0
    assert not torn.exists()


def test_a_run_begins_goes_on_or_begins_anew_by_what_is_left_of_it(write_config: WriteConfig) -> None:
    run = plan_of(write_config, "--grid", "ns3l_weight=1").runs[0]
    assert resume_arguments(run) == ()
    leave_run(run, "SIGINT")
    assert resume_arguments(run) == ("--resume",)
    leave_run(run, None, row=False)
    assert resume_arguments(run) == ("--resume",)
    leave_run(run, "finished", row=False)
    assert resume_arguments(run) == ("--overwrite",)
    (run.directory / "latest_model.pth").unlink()
    leave_run(run, "error: ValueError: x", checkpoint=False)
    assert resume_arguments(run) == ("--overwrite",)
    leave_run(run, "finished")
    assert resume_arguments(run) is None
    assert resume_arguments(run, anew=True) == ("--overwrite",)


def test_a_finished_run_of_another_configuration_is_not_taken_for_this_one(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config()
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1"]) == 0
    capsys.readouterr()
    assert main(["sweep", "--c", file, "--grid", "ns3l_weight=1", "--lr", "0.5"]) == 2
    assert "ns3l_weight=1 holds a run with lr 0.03 (now 0.5); choose another folder" in capsys.readouterr().err


def test_a_sweep_goes_on_where_only_its_means_are_others(write_config: WriteConfig, launcher: FakeLauncher) -> None:
    file = write_config()
    words = ["sweep", "--c", file, "--grid", "ns3l_weight=1"]
    assert main(words) == 0
    started = len(launcher.started)
    assert main([*words, "--eval_batch_size", "32", "--num_workers", "0", "--device", "auto", "--curve", "false"]) == 0
    assert len(launcher.started) == started, "the finished run is kept"


@pytest.mark.parametrize(
    "change",
    [["--num_train_iter", "40"], ["--num_eval_iter", "5"], ["--pretrain_path", "x", "--use_pretrain", "false"]],
)
def test_a_sweep_of_another_length_or_start_is_another(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str], change: list[str]
) -> None:
    words = ["sweep", "--c", write_config(), "--grid", "ns3l_weight=1"]
    assert main(words) == 0
    capsys.readouterr()
    assert main([*words, *change]) == 2
    assert f"holds a run with {change[0].removeprefix('--')} " in capsys.readouterr().err


def test_a_failed_run_is_reported_with_its_reason_and_the_others_go_on(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=9,1"]) == 1
    shown = capsys.readouterr()
    assert "1/2  ns3l_weight=9  failed: patience  ETA" in shown.err
    assert "sweep of 2 runs: 1 finished, 1 failed" in shown.out
    assert shown.out.splitlines()[-1] == "  failed      ns3l_weight=9: patience"


def test_a_signal_starts_no_further_run_and_the_finished_ones_keep_their_rows(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    launcher.then = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=1,2,3"]) == 130
    assert [name for name, _ in launcher.started] == ["ns3l_weight=1"]
    assert "interrupted: 1 of 3 runs have finished; the same command goes on" in capsys.readouterr().err
    assert Path("runs/run_sweep/results.csv").exists()


def test_labels_that_a_run_counts_itself_are_no_other_configuration(write_config: WriteConfig) -> None:
    [run] = plan_of(write_config, "--grid", "ns3l_weight=1").runs
    counting = dataclasses.replace(run, config={**run.config, "num_labels": None})
    leave_run(run, "finished")
    assert resume_arguments(counting) is None
    assert last_row(counting) is not None
    other = dataclasses.replace(run, config={**run.config, "num_labels": 50})
    with pytest.raises(ConfigError, match=r"holds a run with num_labels 40 \(now 50\)"):
        resume_arguments(other)


def test_two_sweeps_cannot_work_in_one_folder(
    write_config: WriteConfig,
    launcher: FakeLauncher,
    occupied: Callable[[Path], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("runs/run_sweep").mkdir(parents=True)
    occupied(Path("runs/run_sweep"))
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=1"]) == 2
    assert "another sweep is at work in runs/run_sweep" in capsys.readouterr().err
    assert launcher.started == []


TINY = {"algorithm": "supervised", "validation_size": 60, "img_size": 16, "uratio": 2, "eval_batch_size": 256}
TINY.update(epoch=1, num_train_iter=6, num_eval_iter=3, num_log_iter=3, num_workers=0, lr=0.01, use_tensorboard=False)


def test_a_real_sweep_of_two_runs_from_the_command_line(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["sweep", "--c", write_config(**TINY), "--seeds", "2", "--jobs", "2", "--save_name", "real"]
    assert main(words) == 0, capsys.readouterr()
    with Path("runs/real/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["seed"], row["split_seed"]) for row in rows] == [("0", "0"), ("1", "1")]
    assert rows[0]["split_digest"] != rows[1]["split_digest"]
    assert "1 threads" in rows[0]["device"]
    capsys.readouterr()
    assert main(words) == 0
    assert "2 runs, 2 finished before" in capsys.readouterr().err
    assert main(["report", "runs/real"]) == 0
    assert "| supervised | " in capsys.readouterr().out
