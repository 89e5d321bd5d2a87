"""Sweeps over the mismatch: the lines, the table, the figure, and a real one."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from sweep_request import sweep_request

from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.results import COLUMNS, put_row
from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.grid import make_plan
from usb_negsamp.run.sweep.mismatch_curve import MismatchCurve, curve_of, draw_panels, normalized_area
from usb_negsamp.run.sweep.mismatch_table import mismatch_table
from usb_negsamp.run.sweep.plan import Plan, Run

WriteConfig = Callable[..., str]
OPEN: dict[str, Any] = {
    "algorithm": "supervised",
    "seen_classes": 6,
    "num_classes": 6,
    "num_labels": 24,
    "num_unlabeled": 300,
    "mismatch_ratio": 0.0,
    "validation_size": 100,
}
GRID = ["--grid", "algorithm=supervised,vat", "mismatch_ratio=0.6,0,0.2", "--seeds", "2"]


def accuracy_of(run: Run) -> float:
    """Supervised 60 and 70 percent on two splits; VAT 20 points more at 0 and 40 fewer at 0.6."""
    split = 0.1 * (run.config["split_seed"] or 0)
    if run.config["algorithm"] == "supervised":
        return 0.6 + split
    return 0.8 + split - float(run.point["mismatch_ratio"])


def row_of(run: Run, **changes: Any) -> dict[str, str]:
    values = {name: run.config.get(name) for name in COLUMNS}
    values.update(selection="best on validation", test_acc_at_best=accuracy_of(run), eval_best_acc=0.5, seconds=1)
    return {name: "" if value is None else str(value) for name, value in {**values, **changes}.items()}


def plan_of(write_config: WriteConfig, *words: str, **changes: Any) -> Plan:
    return make_plan(sweep_request(["--c", write_config(**{**OPEN, **changes}), *words]))


def curve(plan: Plan, rows: Sequence[tuple[Run, dict[str, str]]] | None = None) -> MismatchCurve:
    found = curve_of(plan, [(run, row_of(run)) for run in plan.cells] if rows is None else rows)
    assert found is not None
    return found


def test_a_line_has_area_and_worst_case_over_ascending_ratios(write_config: WriteConfig) -> None:
    found = curve(plan_of(write_config, *GRID))
    assert found.ratios == (0.0, 0.2, 0.6)
    supervised, vat = found.lines
    assert (supervised.name, vat.name) == ("supervised", "vat")
    # Split 0: 80 at 0, 60 at 0.2, 20 at 0.6: (0.2 * 70 + 0.4 * 40) / 0.6.
    assert vat.areas() == pytest.approx({"0": 50.0, "1": 60.0})
    assert vat.worst() == (pytest.approx(25.0), 0.6)
    at = vat.at(0.2)
    assert at is not None
    assert (at.mean, at.std, at.n) == (pytest.approx(65.0), pytest.approx(7.0711, abs=1e-4), 2)


def test_supervised_training_is_a_level_to_compare_with(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, *GRID)
    found = curve(plan)
    assert found.reference is not None
    assert found.reference.areas() == pytest.approx({"0": 60.0, "1": 70.0})
    over = found.over_reference(found.lines[1])
    assert over is not None
    assert (over.mean, over.n) == (pytest.approx(-10.0), 2)
    assert found.below_reference(found.lines[1]) == [0.6]
    at_zero_alone = [run for run in plan.cells if run.point["algorithm"] == "vat" or run.point["mismatch_ratio"] == 0]
    level = curve(plan, [(run, row_of(run)) for run in at_zero_alone]).reference
    assert level is not None
    assert level.areas() == found.reference.areas()


def test_an_area_is_that_of_splits_with_every_ratio(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, *GRID)
    missing = [
        (run, row_of(run)) for run in plan.cells if not (run.config["split_seed"] == 1 and run.point["mismatch_ratio"])
    ]
    vat = curve(plan, missing).lines[1]
    assert vat.areas() == pytest.approx({"0": 50.0})
    none_whole = [(run, row) for run, row in missing if run.point["mismatch_ratio"] != 0.6]
    found = curve(plan, none_whole)
    assert found.lines[1].areas() == {}
    assert "unknown: no split has every mismatch" in found.summary()[1]
    assert "unknown" in mismatch_table(found)


def test_runs_on_one_split_are_averaged_first(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, "--grid", "algorithm=vat", "mismatch_ratio=0,0.6", "--seeds", "2", "--split_seed", "0")
    rows = [(run, row_of(run, test_acc_at_best=0.5 + 0.2 * int(run.config["seed"]))) for run in plan.runs]
    line = curve(plan, rows).lines[0]
    assert line.accuracies == {0.0: pytest.approx({"0": 60.0}), 0.6: pytest.approx({"0": 60.0})}


def test_further_varied_keys_make_further_lines_and_no_level(write_config: WriteConfig) -> None:
    found = curve(plan_of(write_config, "--grid", "lr=0.1,0.3", "mismatch_ratio=0,0.6"))
    assert [line.name for line in found.lines] == ["supervised lr=0.1", "supervised lr=0.3"]
    assert found.reference is None
    assert "over supervised" not in mismatch_table(found)


def test_the_caption_names_every_setting_that_a_line_has(write_config: WriteConfig) -> None:
    words = ["--grid", "num_labels=24,60", "mismatch_ratio=0,0.4", "mismatch_protocol=fixed_total,fixed_seen"]
    found = curve(plan_of(write_config, *words, algorithm="vat"))
    assert found.setting == "digits, 24 or 60 labels of 6 seen classes, fixed_total or fixed_seen"
    assert found.lines[0].name == "vat num_labels=24 mismatch_protocol=fixed_total"


@pytest.mark.parametrize("grid", [["lr=0.1,0.3"], ["mismatch_ratio=0.2", "lr=0.1,0.3"]])
def test_a_sweep_that_does_not_vary_the_mismatch_has_no_curve(grid: list[str], write_config: WriteConfig) -> None:
    plan = plan_of(write_config, "--grid", *grid)
    assert curve_of(plan, [(run, row_of(run)) for run in plan.runs]) is None


def test_runs_without_a_common_figure_have_no_picture(write_config: WriteConfig) -> None:
    plan = plan_of(write_config, *GRID)
    blank = [(run, row_of(run, test_acc_at_best="")) for run in plan.runs]
    assert curve(plan, blank).why_no_picture() == "the runs have no figure in common"


def test_the_table_says_everything_once(write_config: WriteConfig) -> None:
    caption, _, head, marks, *lines = mismatch_table(curve(plan_of(write_config, *GRID))).splitlines()
    assert caption.startswith(
        "digits, 24 labels of 6 seen classes, fixed_total. Test accuracy in percent on seen classes"
    )
    assert "of the model that was best on validation" in caption
    assert head == (
        "| algorithm | 0 | 0.2 | 0.6 | area | worst | at | n | area over supervised | below supervised at |"
    )
    assert marks == "| - | -: | -: | -: | -: | -: | -: | -: | -: | -: |"
    level = "65.00 ± 7.07"
    assert lines[0] == f"| supervised | {level} | {level} | {level} | {level} | 65.00 |  | 2 |  |  |"
    assert lines[1] == (
        "| vat | 85.00 ± 7.07 | 65.00 ± 7.07 | 25.00 ± 7.07 | 55.00 ± 7.07 | 25.00 | 0.6 | 2 | "
        "-10.00 [-10.00, -10.00] | 0.6 |"
    )


@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_area_of_a_straight_line_is_its_middle(count: int) -> None:
    ratios = [(index / (count - 1)) ** 2 for index in range(count)]
    assert normalized_area(ratios, [90 - 30 * ratio for ratio in ratios]) == pytest.approx(75.0)


class Finished:
    """Stands in for runs on this machine: each has finished at once."""

    pause = 0.0

    def start(self, run: Run, extra: Sequence[str], slot: int) -> Any:
        run.directory.mkdir(parents=True, exist_ok=True)
        manifest = {"config": run.config, "exit_reason": "finished"}
        (run.directory / "manifest.json").write_text(json.dumps(manifest))
        put_row(run.directory / "results.csv", row_of(run))
        return self

    def poll(self) -> int:
        return 0


def test_a_sweep_over_the_mismatch_leaves_figure_table_and_summary(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workers, "LocalLauncher", lambda jobs: Finished())
    assert main(["sweep", "--c", write_config(**OPEN), *GRID]) == 0
    folder = Path("runs/run_sweep")
    assert (folder / "mismatch_curve.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder / "sensitivity.png").exists()
    assert "| vat | 85.00" in (folder / "mismatch_curve.md").read_text()
    out = capsys.readouterr().out.splitlines()
    assert out[1] == "  supervised  accuracy over the range 65.00 ± 7.07%"
    assert out[2] == (
        "  vat         accuracy over the range 55.00 ± 7.07%, worst 25.00% at mismatch 0.6, below supervised at 0.6"
    )
    assert "  table       runs/run_sweep/mismatch_curve.md" in out
    assert main(["report", str(folder), "--by", "algorithm,mismatch_ratio"]) == 0
    assert "| vat | 0.6 | 75.00 ± 7.07 | 2 |" in capsys.readouterr().out
    assert main(["report", str(folder), "--by", "algorithm"]) == 0
    assert capsys.readouterr().out.count("| algorithm |") == 3, "a table for each mismatch"


TINY: dict[str, Any] = {
    "img_size": 16,
    "uratio": 2,
    "eval_batch_size": 256,
    "epoch": 1,
    "num_train_iter": 4,
    "num_eval_iter": 4,
}
TINY.update(num_log_iter=4, num_workers=0, lr=0.01, use_tensorboard=False, curve=False)


def test_a_real_sweep_over_the_mismatch(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "--c", write_config(**OPEN, **TINY), "--grid", "algorithm=supervised,fixmatch"]
    assert main([*words, "mismatch_ratio=0,0.4"]) == 0, capsys.readouterr()
    with Path("runs/run_sweep/results.csv").open() as file:
        rows = {(row["algorithm"], row["mismatch_ratio"]): row for row in csv.DictReader(file)}
    assert len(rows) == 4
    mismatched, closed = rows["fixmatch", "0.4"], rows["fixmatch", "0.0"]
    assert (mismatched["seen_classes"], mismatched["mismatch_protocol"], closed["mismatch"]) == (
        "6",
        "fixed_total",
        "0.0",
    )
    assert float(mismatched["mismatch"]) == pytest.approx(0.4, abs=0.01)
    assert 0 <= float(mismatched["pool_auroc"]) <= 1
    assert 0 <= float(closed["open_auroc"]) <= 1
    assert closed["pool_auroc"] == closed["confident_unseen"] == ""
    supervised = [rows["supervised", ratio]["test_acc_at_best"] for ratio in ("0.0", "0.4")]
    assert supervised[0] == supervised[1], "its training does not depend on the mismatch"
    assert len(list(Path("runs/run_sweep").glob("*/manifest.json"))) == 3, "it was trained once"
    assert Path("runs/run_sweep/mismatch_curve.png").stat().st_size > 5000
    out = capsys.readouterr().out
    assert "  fixmatch    accuracy over the range" in out
    assert (
        main(["report", "runs/run_sweep", "--by", "algorithm,mismatch_ratio", "--also", "open_auroc,pool_auroc"]) == 0
    )
    shown = capsys.readouterr().out
    assert "| n | open_auroc | pool_auroc |" in shown
    assert f"{float(closed['open_auroc']):.3f} |  |" in shown


def test_lines_have_bands_and_the_legend_says_what_the_gray_one_is(write_config: WriteConfig) -> None:
    found = curve(plan_of(write_config, *GRID))
    figure = Figure()
    draw_panels([found, found], figure)
    first, second = figure.axes
    [band] = first.collections
    # VAT's 65 at a mismatch of 0.2, of 60 and 70: 7.07 to both sides.
    corners = np.asarray(band.get_paths()[0].vertices, dtype=float)
    heights = corners[corners[:, 0] == 0.2, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(57.93, abs=0.01), pytest.approx(72.07, abs=0.01))
    [legend] = figure.legends
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == ["supervised", "supervised, ± standard deviation", "vat"]
    assert first.get_legend() is second.get_legend() is None
    assert "mean over n = 2 label splits, in a band of ± its standard deviation" in figure.get_suptitle()
