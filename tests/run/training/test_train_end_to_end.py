"""Whole runs through the command line, as a user starts them."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from forked import command, start

TINY = {
    "algorithm": "vat_ns3l", "dataset": "digits", "num_classes": 10, "num_labels": 40, "validation_size": 60,
    "img_size": 16, "net": "small_cnn", "batch_size": 8, "uratio": 2, "eval_batch_size": 256, "epoch": 2,
    "num_train_iter": 40, "num_eval_iter": 10, "num_log_iter": 5, "num_workers": 0, "lr": 0.01, "ema_m": 0.9,
    "seed": 0, "device": "cpu",
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in TINY.items()))
    return path


def words(config, directory, name, *more):
    return ["train", "--c", str(config), "--save_dir", str(directory), "--save_name", name, *map(str, more)]


def weights(directory, name):
    checkpoint = torch.load(directory / name / "latest_model.pth", weights_only=True)
    return {f"{key}.{k}": v for key in ("model", "ema_model") for k, v in checkpoint[key].items()}


def test_a_run_trains_and_leaves_its_records(config, tmp_path):
    done = command(*words(config, tmp_path, "run"))
    assert done.returncode == 0, done.stderr
    assert "test" in done.stdout.lower()
    assert "%" in done.stdout
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["exit_reason"] == "finished"
    (row,) = csv.DictReader((tmp_path / "run" / "results.csv").open())
    assert row["algorithm"] == "vat_ns3l"
    for name in ("latest_model.pth", "model_best.pth", "curve.png", "metrics.jsonl"):
        assert (tmp_path / "run" / name).stat().st_size > 0

    again = command(*words(config, tmp_path, "run"))
    assert again.returncode == 2
    assert "--resume" in again.stderr
    assert "--overwrite" in again.stderr
    assert "Traceback" not in again.stderr


def test_a_run_that_is_terminated_and_resumed_ends_with_the_same_bits(config, tmp_path):
    longer = ("--num_train_iter", 200, "--num_eval_iter", 50, "--dataset", "digits")
    whole = command(*words(config, tmp_path, "whole", *longer))
    assert whole.returncode == 0, whole.stderr

    cut = start(*words(config, tmp_path, "cut", *longer))
    log = tmp_path / "cut" / "metrics.jsonl"
    deadline = time.time() + 200
    while not (log.exists() and log.stat().st_size) and time.time() < deadline:
        time.sleep(0.02)
    cut.process.send_signal(signal.SIGTERM)
    assert cut.ended().returncode == 128 + signal.SIGTERM, cut.stderr
    manifest = json.loads((tmp_path / "cut" / "manifest.json").read_text())
    assert manifest["exit_reason"] == "SIGTERM"
    assert 0 < manifest["iterations_done"] < 200

    rest = command(*words(config, tmp_path, "cut", *longer, "--resume"))
    assert rest.returncode == 0, rest.stderr
    expected, found = weights(tmp_path, "whole"), weights(tmp_path, "cut")
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert (tmp_path / "whole" / "metrics.jsonl").read_text() == log.read_text()


@pytest.mark.parametrize("algorithm", ["fixmatch_ns3l", "pimodel_ns3l"])
def test_two_processes_with_half_the_batch_follow_one(config, tmp_path, algorithm):
    # Sums in another order differ by rounding, which thresholds amplify with time: few steps, small tolerance.
    more = ("--algorithm", algorithm, "--num_train_iter", 4, "--num_eval_iter", 2)
    one = command(*words(config, tmp_path, "one", *more))
    assert one.returncode == 0, one.stderr
    launcher = [
        *(sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port())),
        *("-m", "usb_negsamp"),
    ]
    two = subprocess.run(
        [*launcher, *words(config, tmp_path, "two", *more)], capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert two.returncode == 0, two.stderr
    expected, found = weights(tmp_path, "one"), weights(tmp_path, "two")
    for name, tensor in expected.items():
        kind, _, parameter = name.partition(".")
        other = found[f"{kind}.module.{parameter}"]
        assert torch.allclose(tensor.float(), other.float(), atol=1e-4), name


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
