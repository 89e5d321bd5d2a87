"""Figures of runs on a GPU: open-set metrics, saved networks measured again, pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from device_runs import GPU, OPEN, train
from PIL import Image

from usb_negsamp.run.cli.main import main

pytestmark = pytest.mark.gpu


def measured(capsys: pytest.CaptureFixture[str], run: Path, *more: str) -> dict[str, float]:
    capsys.readouterr()
    assert main(["eval", str(run), "--json", *more]) == 0
    found: dict[str, dict[str, float]] = json.loads(capsys.readouterr().out)
    return found[str(run)]


def test_a_saved_network_gives_its_row_on_either_device(capsys: pytest.CaptureFixture[str]) -> None:
    run = train("fixmatch_ns3l", "one", bn_batches=2, **OPEN, **GPU)
    there, here = measured(capsys, run.directory), measured(capsys, run.directory, "--device", "cpu")
    assert there["test/top-1-acc"] == pytest.approx(float(run.row["test_acc_at_best"]))
    assert there["open/auroc"] == pytest.approx(float(run.row["open_auroc"]), abs=1e-3)
    assert there.keys() == here.keys()
    # One image of 200 may change sides by rounding.
    assert here == pytest.approx(there, abs=6e-3)


def test_what_spl_leaves_is_measured_against_other_images(capsys: pytest.CaptureFixture[str]) -> None:
    run = train("pseudolabel_spl", "one", spl_mismatch="estimate", lr=0.03, **GPU)
    for number, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (5, 9, 9), dtype=np.uint8)):
        Path("noise").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(f"noise/{number}.png")
    found = measured(
        capsys, run.directory, "--model", "spl", "--ood_data", "noise", "--open_reject", "threshold", "--gpu", "0"
    )
    assert found["test/top-1-acc"] == pytest.approx(float(run.row["spl_test_acc"]))
    assert {"open/noise/auroc", "open/balanced_acc", "open/auroc"} <= set(found)


def test_both_networks_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    run = train("dnll", "one", curve=True, dnll_evaluate="average", **GPU)
    assert main(["figure", str(run.directory)]) == 0
    pictures = {path.name for path in run.directory.glob("*.png")}
    assert "curve.png" in pictures
    assert len(pictures) >= 3


def test_the_doctor_names_the_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert torch.cuda.get_device_name(0) in capsys.readouterr().out
