"""``num_last_evaluations``: the median over the last evaluations."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from stopped_run import train_stopped_and_resumed

from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

FREQUENT = {"num_train_iter": 11, "epoch": 1, "num_eval_iter": 2, "lr": 0.05}


def train_watched(directory: Path, wanted: int, **overrides: Any) -> tuple[Any, dict[str, list[tuple[int, float]]]]:
    """A run, and (iterations done, accuracy) of the evaluations of each part during training."""
    algorithm = build_tiny("fixmatch", directory, num_last_evaluations=wanted, **{**FREQUENT, **overrides})
    seen: dict[str, list[tuple[int, float]]] = {"eval": [], "test": []}
    evaluate = algorithm.evaluate

    def watched(dest: str = "eval", **kwargs: Any) -> dict[str, Any]:
        figures = evaluate(dest, **kwargs)
        if algorithm.it < algorithm.num_train_iter:
            seen[dest].append((algorithm.it + 1, figures[f"{dest}/top-1-acc"]))
        return figures

    algorithm.evaluate = watched
    algorithm.train()
    return algorithm, seen


def test_the_test_images_are_evaluated_at_the_last_moments_only(tmp_path: Path) -> None:
    algorithm, seen = train_watched(tmp_path, 3)
    assert [done for done, _ in seen["eval"]] == [2, 4, 6, 8, 10, 11]
    assert [done for done, _ in seen["test"]] == [8, 10, 11]
    results = algorithm.results_dict
    assert results["eval/median_last"] == pytest.approx(median(accuracy for _, accuracy in seen["eval"][-3:]))
    assert results["test/median_last"] == pytest.approx(median(accuracy for _, accuracy in seen["test"]))
    assert results["test/last_acc"] == seen["test"][-1][1]


def test_looking_at_the_test_images_changes_no_weight(tmp_path: Path) -> None:
    without = train_tiny("fixmatch", tmp_path / "without", **FREQUENT)
    looked = train_tiny("fixmatch", tmp_path / "looked", num_last_evaluations=4, **FREQUENT)
    assert "eval/median_last" not in without.results_dict
    assert "test/median_last" not in without.results_dict
    expected = parameters_of(without)
    assert all(torch.equal(expected[key], tensor) for key, tensor in parameters_of(looked).items())


def test_more_than_there_are_takes_them_all(tmp_path: Path) -> None:
    algorithm, seen = train_watched(tmp_path, 20)
    assert len(seen["test"]) == len(seen["eval"]) == 6
    assert algorithm.results_dict["eval/median_last"] == pytest.approx(median(value for _, value in seen["eval"]))


def test_without_validation_images_the_median_is_that_of_the_evaluation_images(tmp_path: Path) -> None:
    algorithm, seen = train_watched(tmp_path, 2, validation_size=0)
    assert seen["test"] == []
    assert "test/median_last" not in algorithm.results_dict
    assert algorithm.results_dict["eval/median_last"] == pytest.approx(median(v for _, v in seen["eval"][-2:]))


def test_a_resumed_run_has_the_medians_of_the_whole_one(tmp_path: Path) -> None:
    settings = {**FREQUENT, "num_last_evaluations": 4}
    whole = train_tiny("fixmatch", tmp_path / "whole", **settings)
    resumed = train_stopped_and_resumed("fixmatch", tmp_path / "again", 9, **settings)
    assert resumed.results_dict == whole.results_dict
