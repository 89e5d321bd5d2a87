"""What the page says of predictions, on cases that can be counted by hand."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from made_runs import make_run

from usb_negsamp.run.report import comparison, latex
from usb_negsamp.run.report.page import axes, charts, pictures, record_sections, run_part, statistics
from usb_negsamp.run.report.page.charts import Series, line_chart, scatter_chart
from usb_negsamp.run.report.page.facts import read_run
from usb_negsamp.run.report.page.training_sections import negative_section


@pytest.mark.parametrize(
    "module",
    [axes, charts, pictures, record_sections, run_part, statistics, comparison, latex],
    ids=lambda m: m.__name__,
)
def test_examples_in_the_docstrings(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type]
    assert found.attempted > 0
    assert found.failed == 0


def test_a_network_that_is_as_often_right_as_it_is_sure_has_no_calibration_error() -> None:
    draws = np.random.default_rng(0)
    confidence = draws.uniform(0.1, 1.0, 200_000)
    right = draws.uniform(size=confidence.size) < confidence
    assert statistics.reliability(confidence, right).error < 0.01
    always = statistics.reliability(np.full(10, 1 + 1e-9), np.arange(10) < 4)
    assert always.error == pytest.approx(0.6)
    assert always.count.tolist() == [10]


def test_negatives_of_images_of_unseen_classes_are_never_wrong() -> None:
    mask = np.ones((4, 3), dtype=bool)
    found = statistics.negatives(mask, np.array([0, 3, 4, 9]))
    assert found.wrong.tolist() == [0.25, 0, 0]
    assert (found.wrong_images, found.of_seen, found.mean_count) == (1.0, 1, 3.0)
    assert statistics.negatives(mask, np.full(4, 7)).wrong_images is None


@pytest.mark.parametrize(("rule", "words"), [("threshold", "for diagnosis alone"), ("oracle", "the rule oracle chose")])
def test_true_labels_are_said_to_be_for_diagnosis_but_where_the_oracle_reads_them(
    rule: str, words: str, tmp_path: Path
) -> None:
    facts = read_run(make_run(tmp_path / "one", ns3l_rule=rule))
    counted = statistics.negatives(np.ones((2, 10), dtype=bool), np.array([0, 1]))
    section = negative_section(facts, counted, [str(label) for label in range(10)])
    assert section is not None
    assert [note for note in section.notes if "true labels" in note.lower()] == [section.notes[-1]]
    assert words in section.notes[-1]


def test_a_line_has_gaps_where_its_values_are_no_numbers() -> None:
    chart = line_chart("Losses", [Series("loss", [1, 2, 3, 4], [1.0, 2.0, float("nan"), 4.0])], "iteration", "loss")
    [path] = [part for part in str(chart.drawing).split("<path") if "line c0" in part]
    assert path.count("M") == 2
    assert path.count("L") == 1
    assert "from 1 to 4" in chart.description


def test_names_in_charts_are_escaped() -> None:
    chart = charts.bar_chart("Layers", {"<b>": 0.5}, "kept")
    assert "&lt;b&gt;" in chart.drawing
    assert "<b>" not in chart.drawing


def test_points_of_unseen_classes_have_no_color_of_a_class() -> None:
    points = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])
    groups = {"unseen": np.array([True, False, False]), "cat": np.array([False, True, True])}
    assert scatter_chart("t-SNE", points, groups).legend == (("unseen", "reference"), ("cat", "c0"))
