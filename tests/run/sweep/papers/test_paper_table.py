"""What stands in a paper's table: parts of rows on the same images, and which row each is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from usb_negsamp.run.sweep.papers.baselines import baseline_of
from usb_negsamp.run.sweep.papers.cited import Cited
from usb_negsamp.run.sweep.papers.paper_table import table_text
from usb_negsamp.run.sweep.papers.rows import PaperRow
from usb_negsamp.run.sweep.papers.scales import SCALES

DATA = {
    "dataset": "cifar10", "num_labels": 4000, "num_classes": 10, "validation_size": 5000, "net": "wrn_28_2",
    "num_train_iter": 100, "preset": None,
}  # fmt: skip


def paper_row(name: str) -> PaperRow:
    return PaperRow(name, f"title of {name}", "12.5% test error in the paper. More.", Path(name))


def results(*accuracies: float, digest: str = "d") -> list[dict[str, str]]:
    return [
        {"split_seed": str(seed), "test_acc_at_best": str(accuracy), "split_digest": digest}
        for seed, accuracy in enumerate(accuracies)
    ]


def lines_of(text: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    return {cells[0]: cells[1:] for cells in lines}


CONFIGS: dict[str, dict[str, Any]] = {
    "vat": {**DATA, "algorithm": "vat"},
    "vat_ns3l": {**DATA, "algorithm": "vat_ns3l"},
    "few": {**DATA, "algorithm": "vat_ns3l", "num_labels": 250},
    "supervised": {**DATA, "algorithm": "supervised"},
}


def test_rows_on_the_same_images_stand_together_and_what_was_not_run_is_empty() -> None:
    measured = {"vat": results(0.8, 0.7), "vat_ns3l": results(0.9, 0.75), "few": results(0.5), "supervised": []}
    text = table_text([paper_row(name) for name in CONFIGS], CONFIGS, measured, SCALES["full"])
    lines = lines_of(text)
    assert lines["vat_ns3l"][1:3] == [
        "12.5% test error in the paper",
        "17.50 ± 10.61% test error, 82.50% accuracy (best on validation)",
    ]
    assert lines["vat_ns3l"][3:] == ["2", "-7.50 [-10.00, -5.00] to vat"]
    assert lines["supervised"][2:] == ["", "", ""]
    assert lines["vat"][4] == ""
    assert lines["few"][3:] == ["1", ""]
    first, second = (line for line in text.splitlines() if line.startswith("**"))
    assert first == "**cifar10, 4,000 labels of 10 classes, 5,000 validation images; wrn_28_2, 100 iterations**"
    assert second.startswith("**cifar10, 250 labels of 10 classes")
    assert text.index("| supervised") < text.index("**cifar10, 250 labels")


def test_a_row_on_other_splits_has_no_difference() -> None:
    configs = {name: CONFIGS[name] for name in ("vat", "vat_ns3l")}
    measured = {"vat": results(0.8), "vat_ns3l": results(0.9, digest="other")}
    lines = lines_of(table_text([paper_row(name) for name in configs], configs, measured, SCALES["full"]))
    assert lines["vat_ns3l"][4] == "other splits than vat"


def test_at_another_scale_neither_the_paper_s_figures_nor_its_cited_rows_are_shown() -> None:
    configs = {"vat": CONFIGS["vat"]}
    cited = [Cited("Other", "9.9% error")]
    full = table_text([paper_row("vat")], configs, {"vat": []}, SCALES["full"], cited)
    assert "12.5% test error" in full
    assert "9.9% error in the paper" in full
    short = table_text([paper_row("vat")], configs, {"vat": []}, SCALES["short"], cited)
    assert "12.5" not in short
    assert "9.9" not in short
    assert "Scale short: the paper's data, networks and batches, at most 10,000 iterations a run." in short


def test_a_row_is_compared_with_what_it_wraps_else_with_supervised_training_else_with_the_first() -> None:
    rows = {
        name: {"algorithm": name} for name in ("dnll", "fixmatch_ns3l", "fixmatch", "fixmatch_ns3l_spl", "meanteacher")
    }
    assert baseline_of("fixmatch_ns3l_spl", rows) == "fixmatch_ns3l"
    assert baseline_of("fixmatch_ns3l", rows) == "fixmatch"
    assert baseline_of("meanteacher", rows) == "dnll"
    assert baseline_of("dnll", rows) is None
    with_labels = {**rows, "labels": {"algorithm": "supervised"}}
    assert baseline_of("meanteacher", with_labels) == "labels"
    assert baseline_of("dnll", with_labels) == "labels"
    assert baseline_of("labels", with_labels) is None
