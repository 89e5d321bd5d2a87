"""Figures of runs on a GPU: open-set metrics, saved networks measured again, pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device_runs import CPU, GPU, OPEN, assert_same, assert_sound, train
from PIL import Image

from usb_negsamp.run.cli.main import main


def measured(capsys: pytest.CaptureFixture[str], run: Path, *more: str) -> dict[str, float]:
    capsys.readouterr()
    assert main(["eval", str(run), "--json", *more]) == 0
    found: dict[str, dict[str, float]] = json.loads(capsys.readouterr().out)
    return found[str(run)]


@pytest.mark.gpu
def test_a_saved_network_gives_its_row_on_either_device(capsys: pytest.CaptureFixture[str]) -> None:
    run = train("fixmatch_ns3l", "one", bn_batches=2, **OPEN, **GPU)
    there, here = measured(capsys, run.directory), measured(capsys, run.directory, "--device", "cpu")
    assert there["test/top-1-acc"] == pytest.approx(float(run.row["test_acc_at_best"]))
    assert there["open/auroc"] == pytest.approx(float(run.row["open_auroc"]), abs=1e-3)
    assert there.keys() == here.keys()
    # One image of 200 may change sides by rounding.
    assert here == pytest.approx(there, abs=6e-3)


@pytest.mark.gpu
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


@pytest.mark.gpu
def test_both_networks_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    run = train("dnll", "one", curve=True, dnll_evaluate="average", **GPU)
    assert main(["figure", str(run.directory)]) == 0
    pictures = {path.name for path in run.directory.glob("*.png")}
    assert "curve.png" in pictures
    assert len(pictures) >= 3


@pytest.mark.usefixtures("draws_on_the_host")
@pytest.mark.parametrize(
    ("algorithm", "keys"),
    [
        ("fixmatch_ns3l", {"ns3l_rule": "uniform", "ns3l_num_negatives": 3}),
        ("fixmatch_ns3l", {"ns3l_rule": "neighbor", "ns3l_neighbor_rule": "furthest"}),
        ("fixmatch_ns3l", {"ns3l_rule": "neighbor", "ns3l_neighbor_features": "network"}),
        ("fixmatch_ns3l", {"ns3l_view": "weak_to_strong", "use_cat": False}),
        ("pseudolabel_ns3l", {"ns3l_passes": 2}),
        ("mixmatch_ns3l", {"mixmatch_official": True, "ns3l_spare_mixed": True}),
        ("vat", {"vat_direction": "adversarial_to_clean", "vat_entropy_on": "perturbed", "ent_loss_ratio": 0.1}),
        ("vat", {"vat_num_iters": 2, "vat_pseudo_label_weight": 1.0, "vat_pseudo_label_cutoff": 0.1}),
        ("dnll", {"dnll_selection": "error_perception", "dnll_num_negatives": 3, "dnll_self_weight": 1.0}),
        ("dnll", {"dnll_reduction": "sum", "dnll_views": "weak", "dnll_evaluate": "average", "bn_batches": 2}),
        ("dualstudent_dnll", {"dualstudent_evaluate": "average"}),
        ("pseudolabel_spl", {"spl_mask": "soft", "spl_outer": "eq6"}),
        ("pseudolabel_spl", {"spl_inner_lr": "select"}),
        ("pseudolabel_spl", {"spl_control": "alternate"}),
        ("pseudolabel_spl", {"spl_ablation": "no_bilevel"}),
        ("fixmatch", {"bn_update": "labeled", "lr_schedule": "step", "lr_decay_iters": "[3]"}),
        ("fixmatch", {"optim": "Adam", "clip_grad": 1.0, "num_last_evaluations": 2}),
        ("fixmatch", {"preprocessing": "gcn_zca", "augmentation": "oliver"}),
        ("fixmatch_ns3l", {"ood_data": "usps", **OPEN}),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(map(str, value)),
)
def test_every_choice_gives_the_cpu_s_numbers(algorithm: str, keys: dict[str, Any], rounding: float) -> None:
    there = train(algorithm, "gpu", **keys, **GPU)
    assert_sound(there)
    assert_same(train(algorithm, "cpu", **keys, **CPU), there, rounding)
