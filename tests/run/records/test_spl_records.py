"""What a run shows and keeps of SPL's stage: its summary, its row, its curve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.run.figures import spl_rounds, training_curve
from usb_negsamp.run.figures.training_curve import draw_curve
from usb_negsamp.run.records.results import COLUMNS, OF_METHODS
from usb_negsamp.run.training.summary import summary

RESULTS = {
    "eval/best_acc": 0.9, "eval/best_it": 599, "test/best_acc": 0.87, "test/last_acc": 0.87, "eval/spl_acc": 0.95,
    "eval/spl_start_acc": 0.9, "eval/spl_start_reestimated_acc": 0.91, "test/spl_acc": 0.93, "test/spl_start_acc": 0.87,
    "test/spl_start_reestimated_acc": 0.88, "eval/spl_round": 3, "eval/spl_kept_ratio": 0.736, "eval/spl_v1_lr": 30.0,
    "train/spl_mismatch": 0.4125,
}  # fmt: skip


def lines_of(directory: Path, results: dict[str, Any] = RESULTS, **config: Any) -> list[str]:
    asked = {"algorithm": "vat_spl", "dataset": "digits", "num_labels": 30, "seed": 0, **config}
    manifest = {"config": asked, "iterations_done": 600, "device": "cpu"}
    return summary(results, manifest, directory, 5).splitlines()


def test_the_summary_of_a_stage_alone_names_the_run_it_starts_from_and_no_iterations(tmp_path: Path) -> None:
    lines = lines_of(tmp_path, spl_from="runs/vat")
    assert lines[0] == "vat_spl on digits, 30 labels, seed 0: SPL of runs/vat in 0:00:05 on cpu"
    assert "  at the start    87.00% (test), 90.00% (validation)" in lines
    assert not any("iteration" in line for line in lines)
    untrained = lines_of(tmp_path, spl_ablation="no_pretraining")
    assert "SPL of the untrained network" in untrained[0]
    trained = lines_of(tmp_path)
    assert "600 iterations in" in trained[0]
    assert "  test accuracy   87.00% (at the best validation, iteration 600), 87.00% (last)" in trained


def test_the_summary_says_what_new_batch_statistics_alone_do(tmp_path: Path) -> None:
    assert (
        "  after SPL       93.00% (test; before it 87.00%, 88.00% with batch statistics estimated anew), round 3, "
        "73.60% of the weights kept"
    ) in lines_of(tmp_path)


@pytest.mark.parametrize(("control", "named"), [("finetune", "fine-tuned     "), ("alternate", "alternated     ")])
def test_a_control_is_not_called_spl(tmp_path: Path, control: str, named: str) -> None:
    lines = lines_of(tmp_path, spl_from="runs/vat", spl_control=control)
    assert any(line.startswith(f"  {named} 93.00% (test; ") and line.endswith("round 3, no mask") for line in lines)
    assert "SPL of" not in lines[0]
    assert not any("after SPL" in line for line in lines)


def test_the_summary_has_the_rates_that_were_tried_and_the_estimated_mismatch(tmp_path: Path) -> None:
    tried = {"eval/spl_acc_at/10": 0.9, "eval/spl_acc_at/30": 0.95, "eval/spl_acc_at/100": 0.85}
    lines = lines_of(tmp_path, {**RESULTS, **tried}, spl_mismatch="estimate")
    assert "  rate on V1      30, chosen on V2 among 10 (90.00%), 30 (95.00%), 100 (85.00%)" in lines
    assert "  mismatch        0.412, estimated" in lines
    assert not any("chosen on V2" in line or "mismatch" in line for line in lines_of(tmp_path, spl_mismatch=0.4))


def test_the_summary_lists_the_files_of_the_stage(tmp_path: Path) -> None:
    for name in ("model_spl.pth", "spl_kept_ratio.png"):
        assert not any(name in line for line in lines_of(tmp_path))
        (tmp_path / name).touch()
        assert any(line.endswith(str(tmp_path / name)) for line in lines_of(tmp_path))


def test_the_row_has_the_start_with_new_batch_statistics_and_the_rate() -> None:
    for column in ("spl_start_reestimated_eval_acc", "spl_start_reestimated_test_acc", "spl_v1_lr"):
        assert column in COLUMNS
        assert OF_METHODS[column] in RESULTS


def records_of(rate: float, accuracies: list[float], loss: float | None = 0.5) -> list[dict[str, Any]]:
    return [
        {
            "it": 600 + 50 * number, "train/spl_round": float(number), "train/spl_v1_loss": 1.0 - 0.1 * number,
            "eval/spl_v2_loss": loss, "eval/spl_v2_acc": accuracy, "train/spl_v1_lr": rate,
        }
        for number, accuracy in enumerate(accuracies)
    ]  # fmt: skip


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    figures: list[Any] = []
    for module in (spl_rounds, training_curve):
        monkeypatch.setattr(module, "write_picture", lambda figure, path: figures.append(figure))
    return figures


def test_where_no_training_happened_the_curve_is_that_of_the_rounds(tmp_path: Path, drawn: list[Any]) -> None:
    records = [*records_of(10.0, [0.99, 0.8, 0.85]), *records_of(30.0, [0.99, 0.9, 0.7])]
    draw_curve(records, tmp_path / "curve.png", "title")
    [figure] = drawn
    upper, lower = figure.axes
    assert [list(line.get_xdata()) for line in lower.lines] == [[0, 1, 2], [0, 1, 2], [1]]
    assert list(lower.lines[1].get_ydata()) == pytest.approx([99, 90, 70])
    assert list(upper.lines[0].get_ydata()) == pytest.approx([1.0, 0.9, 0.8])
    # The network as it was is no candidate.
    assert [text.get_text() for text in lower.get_legend().get_texts()] == [
        "rate 10",
        "rate 30",
        "best 90.0% in round 1",
    ]
    assert list(lower.texts) == []


def test_a_loss_that_is_no_number_leaves_a_gap(tmp_path: Path, drawn: list[Any]) -> None:
    records = records_of(10.0, [0.9, 0.1], loss=None)
    records[1]["train/spl_v1_loss"] = None
    draw_curve(records, tmp_path / "curve.png", "title")
    assert len(drawn) == 1


def test_a_training_with_spl_after_it_has_the_rounds_beside_its_curve(tmp_path: Path, drawn: list[Any]) -> None:
    training = [{"it": 300, "train/total_loss": 1.0, "eval/top-1-acc": 0.8}]
    draw_curve([*training, *records_of(30.0, [0.8, 0.9])], tmp_path / "curve.png", "title", "validation")
    [figure] = drawn
    by_label = {axes.get_xlabel(): axes for axes in figure.axes if axes.get_xlabel()}
    assert list(by_label["SPL's round"].lines[0].get_ydata()) == pytest.approx([80, 90])
    assert [list(line.get_xdata()) for line in by_label["iteration"].lines] == [[300], [300]]
    assert by_label["iteration"].get_ylabel() == "validation accuracy (%)"
    draw_curve([], tmp_path / "curve.png", "title")
    assert len(drawn[1].axes) == 2


def test_axes_say_what_is_weighted_and_the_best_stands_in_the_legend_not_on_the_line(
    tmp_path: Path, drawn: list[Any]
) -> None:
    losses = {"train/sup_loss": 1.0, "train/ns3l_loss": 2.0, "train/total_loss": 1.6}
    records = [{"it": it, **losses, "eval/top-1-acc": accuracy} for it, accuracy in ((10, 0.5), (20, 0.9), (30, 0.8))]
    draw_curve(records, tmp_path / "curve.png", "title", "test")
    upper, lower = drawn[0].axes
    assert upper.get_ylabel() == "training loss, each before its weight"
    assert [line.get_label() for line in upper.lines][-1] == "total loss, each with its weight"
    assert lower.get_ylabel() == "test accuracy (%)"
    assert [text.get_text() for text in lower.get_legend().get_texts()] == ["accuracy, test", "best 90.0% at 20"]
    assert list(lower.texts) == []
