"""The page of runs that have trained: what it says is what their rows of results say."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.report.page.facts import read_run
from usb_negsamp.run.report.page.measured import measure, network_file
from usb_negsamp.run.report.page.run_part import Looked, look_at, run_part

WriteConfig = Callable[..., str]
SHORT = {
    "num_train_iter": 12,
    "num_log_iter": 2,
    "num_eval_iter": 4,
    "img_size": 16,
    "validation_size": 100,
    "ema_m": 0.9,
    "lr": 0.03,
}
OPEN = {"num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30}
SPL = {"spl_rounds": 1, "spl_inner_steps": 4, "spl_outer_steps": 4}


def looked(write_config: WriteConfig, **keys: Any) -> tuple[Looked, dict[str, str]]:
    """A run that has trained, looked at, and its row of results."""
    assert main(["train", "--c", write_config(**{**SHORT, **keys})]) == 0
    with open("runs/one/results.csv", newline="") as file:
        [row] = csv.DictReader(file)
    return look_at(read_run(Path("runs/one"))), row


def words(found: Looked) -> dict[str, str]:
    """The notes and the charts of each section, by its title."""
    return {
        section.title: " ".join([*section.notes, *(f"{chart.title} {chart.note}" for chart in section.charts)])
        for section in run_part(found, "run-1", "one").sections
    }


def test_the_page_of_ns3l_has_the_row_s_accuracy_and_says_what_the_negatives_were(write_config: WriteConfig) -> None:
    found, row = looked(write_config)
    assert found.missing == ()
    measured = found.measured
    assert measured is not None
    assert measured.missing == ()
    right = float((measured.probs.argmax(1) == measured.labels).mean())
    assert right == pytest.approx(float(row["test_acc_at_best"]))
    sections = words(found)
    assert list(sections) == [
        "Curves",
        "Confusion matrix",
        "Negatives",
        "Predictions",
        "Examples",
        "Run it again",
        "Manifest",
    ]
    assert f"has {100 * right:.2f}% right" in sections["Confusion matrix"]
    assert "by the rule threshold (probabilities below 0.4/K)" in sections["Negatives"]
    assert "read here for diagnosis alone" in sections["Negatives"]
    assert measured.negatives is not None
    assert measured.negatives.of_seen == measured.negatives.images > 1000
    assert len(measured.right) == 12
    assert all(example.label == example.predicted for example in measured.right)
    assert all(example.label != example.predicted for example in measured.wrong)
    assert measured.points is not None
    assert measured.points.shape == (355, 2)


@pytest.mark.parametrize(
    ("keys", "mean", "wrong"),
    [
        ({"ns3l_rule": "uniform", "ns3l_num_negatives": 3}, 3.0, 0.3),
        ({"ns3l_rule": "oracle", "ns3l_num_negatives": 2}, 2.0, 0.0),
    ],
)
def test_negatives_that_do_not_look_at_the_network_are_drawn_again(
    keys: dict[str, Any], mean: float, wrong: float, write_config: WriteConfig
) -> None:
    found, _ = looked(write_config, algorithm="ns3l", **keys)
    assert found.measured is not None
    assert found.measured.negatives is not None
    assert found.measured.negatives.mean_count == pytest.approx(mean)
    assert found.measured.negatives.wrong_images == pytest.approx(wrong, abs=0.05)


def test_the_page_of_dnll_says_how_often_its_negatives_were_wrong(write_config: WriteConfig) -> None:
    found, row = looked(write_config, algorithm="dnll", dnll_num_negatives=3, dnll_evaluate="average")
    sections = words(found)
    shares = [float(text) for text in re.findall(r"([0-9.]+)%", sections["Negatives"])]
    labels, negatives, expected = shares[:3]
    assert 0 < negatives < labels < 100
    assert expected == pytest.approx(labels * 3 / 9, abs=0.01)
    assert "Each network gives the other 3 of K - 1 = 9 classes" in sections["Negatives"]
    measured = found.measured
    assert measured is not None
    assert float((measured.probs.argmax(1) == measured.labels).mean()) == pytest.approx(float(row["average_test_acc"]))


def test_the_page_of_spl_is_of_the_network_that_it_leaves(write_config: WriteConfig) -> None:
    found, row = looked(write_config, algorithm="pseudolabel_spl", **OPEN, **SPL)
    measured = found.measured
    assert measured is not None
    assert measured.network == "the network that SPL has left"
    assert float((measured.probs.argmax(1) == measured.labels).mean()) == pytest.approx(float(row["spl_test_acc"]))
    sections = words(found)
    assert f"AUROC {100 * float(row['spl_open_auroc']):.2f}%" in sections["Predictions"]
    assert "SPL: share of the weights kept, by layer" in sections["SPL"]
    [layers] = [
        chart
        for section in run_part(found, "a", "one").sections
        for chart in section.charts
        if "by layer" in chart.title
    ]
    assert "classifier" in layers.description
    assert measured.point_labels is not None
    assert set(np.unique(measured.point_labels)) == set(range(10))


def test_looking_at_a_run_changes_nothing_of_it(write_config: WriteConfig) -> None:
    looked(write_config, algorithm="supervised")
    run = Path("runs/one")
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    checkpoint = network_file(run)
    assert checkpoint is not None
    first, second = measure(run, checkpoint), measure(run, checkpoint)
    assert np.array_equal(first.probs, second.probs)
    assert first.negatives is None
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_checkpoint_that_does_not_fit_is_a_line_of_the_page(write_config: WriteConfig) -> None:
    looked(write_config, algorithm="supervised")
    Path("runs/one/model_best.pth").write_bytes(b"no checkpoint")
    found = look_at(read_run(Path("runs/one")))
    assert found.measured is None
    [line] = found.missing
    assert line.startswith("What the network says of the data is left out: ")
    assert main(["report", "runs/one"]) == 0
    assert "is left out" in Path("runs/one/report.html").read_text()
