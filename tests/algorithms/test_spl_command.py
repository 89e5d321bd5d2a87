"""Runs with SPL through the command line, as a user starts them."""

import csv
import json
import signal
import time

import pytest
import torch
from forked import start

from usb_negsamp.run.training.spl_stage import draw_kept_ratio

CONFIG = {
    "algorithm": "pseudolabel_spl", "dataset": "digits", "net": "small_cnn", "img_size": 16, "num_classes": 6,
    "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30, "validation_size": 100,
    "batch_size": 8, "uratio": 2, "eval_batch_size": 256, "epoch": 2, "num_train_iter": 10, "num_eval_iter": 5,
    "num_log_iter": 5, "num_workers": 0, "lr": 0.01, "ema_m": 0.9, "seed": 0, "device": "cpu", "spl_rounds": 2,
    "spl_inner_steps": 60, "spl_outer_steps": 60, "spl_patience": 0,
}  # fmt: skip


def started(directory, name, *more):
    path = directory / "run.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in CONFIG.items()))
    return start("train", "--c", path, "--save_dir", directory, "--save_name", name, *more)


def rounds_of(directory, name):
    path = directory / name / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n") and "train/spl_round" in line]


def test_a_stage_that_is_terminated_and_resumed_ends_with_the_same_records(tmp_path):
    whole, cut = started(tmp_path, "whole"), started(tmp_path, "cut")
    deadline = time.time() + 200
    while not rounds_of(tmp_path, "cut") and cut.process.poll() is None and time.time() < deadline:
        time.sleep(0.02)
    cut.process.send_signal(signal.SIGTERM)
    ended = cut.ended()
    assert ended.returncode == 128 + signal.SIGTERM, ended.stderr
    assert len(rounds_of(tmp_path, "cut")) < 3
    ended = whole.ended()
    assert ended.returncode == 0, ended.stderr
    rest = started(tmp_path, "cut", "--resume")
    ended = rest.ended()
    assert ended.returncode == 0, ended.stderr
    assert "spl round 2/2" in ended.stderr
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "cut")]
    assert texts[0] == texts[1]
    rows = rounds_of(tmp_path, "cut")
    assert [row["it"] for row in rows] == [10, 130, 250]
    assert rows[0]["train/spl_kept_ratio"] == pytest.approx(1 - 0.5 * (1 - 30 / 300), abs=0.01)
    ends = [torch.load(tmp_path / name / "model_spl.pth", weights_only=True) for name in ("whole", "cut")]
    for key in ("model", "masks"):
        assert all(torch.equal(ends[0][key][name], ends[1][key][name]) for name in ends[0][key])
    assert (tmp_path / "cut" / "spl_kept_ratio.png").stat().st_size > 0
    assert "result - test/spl_acc" in (tmp_path / "cut" / "log.txt").read_text()


def test_an_impossible_setting_ends_a_run_with_one_line_and_leaves_nothing(tmp_path):
    ended = started(tmp_path, "none", "--spl_ratio", "1.5").ended()
    assert ended.returncode == 2
    assert "spl_ratio: expected a number above 0 and at most 1, but got 1.5" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "none").exists()


def test_the_figure_shows_hard_masks_as_one_line_and_soft_ones_as_two(tmp_path):
    record = {"train/spl_kept_ratio": 0.5, "train/spl_kept_ratio/a": 0.6, "train/spl_kept_ratio/b": 0.4}
    for name, later in (("hard", record), ("soft", {**record, "train/spl_kept_ratio/a": 0.9})):
        draw_kept_ratio([record, later], 1, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "hard.png").read_bytes() != (tmp_path / "soft.png").read_bytes()


def test_a_choice_of_rates_after_another_run_is_told_in_lines_metrics_summary_and_curve(tmp_path):
    trained = started(tmp_path, "trained", "--algorithm", "pseudolabel").ended()
    assert trained.returncode == 0, trained.stderr
    short = ["--spl_inner_steps", "2", "--spl_outer_steps", "2"]
    chosen = started(
        tmp_path, "chosen", "--spl_from", str(tmp_path / "trained"), "--spl_inner_lr", "select", *short,
        "--spl_mismatch", "estimate",
    )  # fmt: skip
    ended = chosen.ended()
    assert ended.returncode == 0, ended.stderr
    output, errors = ended.stdout, ended.stderr
    rows = rounds_of(tmp_path, "chosen")
    assert [row["train/spl_v1_lr"] for row in rows] == [10.0] * 3 + [30.0] * 3 + [100.0] * 3
    assert [row["it"] for row in rows] == [10, 14, 18, 18, 22, 26, 26, 30, 34]
    assert errors.count("spl rate 30 round") == 3
    assert f"SPL of {tmp_path / 'trained'} in" in output.splitlines()[0]
    assert "iterations" not in output + errors.splitlines()[0]
    candidates = [row for row in rows if row["train/spl_round"] > 0]
    best = max(candidates, key=lambda row: (row["eval/spl_v2_acc"], -row["eval/spl_v2_loss"]))
    rate = best["train/spl_v1_lr"]
    assert f"  rate on V1      {rate:g}, chosen on V2 among 10 (" in output
    for name in ("model_spl.pth", "spl_kept_ratio.png", "curve.png"):
        assert str(tmp_path / "chosen" / name) in output
    assert ", estimated" in output
    [row] = csv.DictReader((tmp_path / "chosen" / "results.csv").open())
    assert float(row["spl_v1_lr"]) == rate
    assert 0.0 <= float(row["spl_start_reestimated_test_acc"]) <= 1.0
    assert f"result - eval/spl_acc_at/{rate:g}" in (tmp_path / "chosen" / "log.txt").read_text()
