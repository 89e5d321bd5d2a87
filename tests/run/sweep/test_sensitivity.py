"""The picture of a sweep: which cells it has, and which of them it marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_sweeps import GRID, FakeLauncher, WriteConfig, plan_of

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.sweep import sensitivity
from usb_negsamp.run.sweep.sensitivity import PICTURE, cells_of, draw_cells


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--grid", "lr=0.1,0.2", "ns3l_weight=1,2", "momentum=0.1,0.2"], "3 keys vary (lr, ns3l_weight, momentum)"),
        (["--algorithms", "vat_ns3l,fixmatch_ns3l"], "algorithm: not all values are numbers"),
        (["--seeds", "2"], "no key of the grid varies"),
    ],
)
def test_where_there_is_no_picture_a_line_says_why(
    words: list[str], line: str, write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), *words]) == 0
    assert f"  no picture  {line}" in capsys.readouterr().out
    assert not Path("runs/run_sweep", PICTURE).exists()


def test_one_varied_number_makes_a_line_also_where_a_run_is_missing(
    write_config: WriteConfig, launcher: FakeLauncher, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", "--c", write_config(), "--grid", "ns3l_weight=9,1,2", "--seeds", "2"]) == 1
    assert Path("runs/run_sweep", PICTURE).stat().st_size > 5000
    capsys.readouterr()


def test_the_cells_hold_the_mean_over_seeds_and_know_the_best(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, *GRID)
    rows = [
        (run, {"selection": "best on validation", "test_acc_at_best": str(accuracy), "eval_best_acc": str(chosen)})
        for run, accuracy, chosen in zip(
            plan.runs, [0.5, 0.7, 0.8, 0.9, 0.7, 0.7, 0.1, 0.2], [0.9, 0.9] + [0.5] * 6, strict=True
        )
    ]
    cells = cells_of(plan, rows)
    found = cells.errors[(0.01, 2.0)]
    assert found.mean == pytest.approx(15.0)
    assert found.std == pytest.approx(7.0711, abs=1e-4)
    assert cells.best == ((0.01, 2.0),)
    assert cells.chosen == ((0.01, 1.0),)
    assert cells.at(0.02, 1.0) == (0.02, 1.0)


@pytest.mark.parametrize("grid", [["ns3l_threshold=0.01,0.02", "ns3l_weight=1,2"], ["ns3l_weight=1,2,3,4"]])
def test_points_that_tie_are_all_marked_and_the_picture_says_n(
    grid: list[str], write_config: WriteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(sensitivity, "write_picture", lambda figure, path, dpi: figures.append(figure))
    plan = plan_of(write_config, "--grid", *grid, "--seeds", "2")
    # The same two errors in another order: their means may differ in the last bit.
    accuracies = [0.9, 0.7, 0.7, 0.9, 0.1, 0.2, 0.3]
    rows = [
        (run, {"selection": "best on validation", "test_acc_at_best": str(found), "eval_best_acc": "0.5"})
        for run, found in zip(plan.runs, accuracies, strict=False)
    ]
    cells = cells_of(plan, rows)
    assert [len(cells.best), len(cells.chosen)] == [2, 4]
    chosen = next(line for line in cells.lines() if line.startswith("  chosen"))
    assert "(lowest validation error, the first of 4 that tie)" in chosen
    draw_cells(cells, tmp_path / PICTURE)
    [figure] = figures
    axes = figure.axes[0]
    assert axes.get_title().endswith("mean ± standard deviation, n = 1 to 2 runs each")
    texts = [text.get_text() for text in axes.texts]
    assert sum("n = 1" in text for text in texts) == 1
    if len(grid) == 2:
        assert len(axes.patches) == 2
        assert sum("★" in text for text in texts) == 4
        assert "red frame: lowest test error (2 tie); ★ lowest validation error (4 tie)" in axes.get_xlabel()
    else:
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["lowest test error (2 tie)", "lowest validation error (4 tie)"]
