"""The scales of ``usb-negsamp reproduce``: every row of every table at each, and what a scaled run leaves."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from usb_negsamp.data import labeled_split, open_set_split
from usb_negsamp.data.sources.digits import load_digits_source
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.configuration.resolution import read_sources, resolve
from usb_negsamp.run.sweep.papers.rows import chosen_rows, tables
from usb_negsamp.run.sweep.papers.scales import SCALES

ITERATIONS = {"short": 10_000, "smoke": 200}
FOLLOWS_THE_LENGTH = {"lr_decay_iters"}
OF_THE_RUN = {"seed", "split_seed", "save_dir", "save_name", "dataset", "data_dir"}
SMALLER = {
    "short": {"num_train_iter", "epoch", "num_eval_iter", "num_log_iter"},
    "smoke": {
        "labeled_dataset", "unlabeled_dataset", "num_classes", "num_labels", "validation_size", "img_size",
        "horizontal_flip", "net", "batch_size", "uratio", "eval_batch_size", "num_workers", "ema_m", "bn_batches",
        "num_train_iter", "epoch", "num_eval_iter", "num_log_iter", "seen_classes", "class_order", "num_unlabeled",
        "spl_rounds", "spl_inner_steps", "spl_outer_steps", "mtc_epoch",
    },
}  # fmt: skip


def configs_of(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What the runs of a dry run are asked for, in their order."""
    assert main(["reproduce", *words, "--dry_run", "--seeds", "1"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("cited: ")]
    return [resolve(read_sources(shlex.split(line)[2:])).mapping for line in lines]


def assert_digits_can_be_split(configs: list[dict[str, Any]]) -> None:
    """There are enough digits of each class for the labels, the unlabeled and the held-out images of every run."""
    targets = load_digits_source(Path(), 8).train.targets
    for config in configs:
        held_out = config["validation_size"]
        if config["seen_classes"] is None:
            split = labeled_split(
                targets,
                num_labels=config["num_labels"],
                num_classes=10,
                validation_size=held_out,
                split_seed=0,
                validation_shares=config["validation_shares"],
            )
            assert len(split.unlabeled) > 900
        else:
            seen = config["seen_classes"]
            opened = open_set_split(
                targets,
                seen_classes=range(seen) if isinstance(seen, int) else seen,
                labels_per_class=config["num_labels"] // config["num_classes"],
                num_unlabeled=config["num_unlabeled"],
                mismatch=config["mismatch_ratio"],
                protocol=config["mismatch_protocol"],
                validation=held_out,
                validation_shares=config["validation_shares"],
            )
            assert 390 < len(opened.unlabeled) <= 400


@pytest.mark.parametrize("scale", ["short", "smoke"])
@pytest.mark.parametrize("table", tables())
def test_every_row_of_every_table_can_run_at_every_scale_and_differs_in_what_the_scale_says(
    table: str, scale: str, work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = configs_of([table], capsys)
    scaled = configs_of([table, "--scale", scale], capsys)
    assert len(own) == len(scaled) == len(chosen_rows(table))
    for before, after in zip(own, scaled, strict=True):
        differing = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert differing <= SMALLER[scale] | FOLLOWS_THE_LENGTH | OF_THE_RUN
        assert after["num_train_iter"] <= ITERATIONS[scale]
        assert after["num_train_iter"] % after["num_eval_iter"] == 0 or scale == "short"
    if scale == "smoke":
        assert_digits_can_be_split(scaled)
    datasets = {config["dataset"] for config in scaled}
    assert datasets == {"digits"} if scale == "smoke" else datasets == {config["dataset"] for config in own}
    assert list(work_dir.iterdir()) == []


def test_two_rows_of_a_table_are_trained_on_digits_and_compared_without_the_paper_s_figures(
    work_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--only", "table1_cifar10_vat,table1_cifar10_vat_ns3l", "--scale", "smoke", "--seeds", "1"]
    assert main(["reproduce", "ns3l/table1", *words, "--num_train_iter", "8", "--device", "cpu"]) == 0
    assert Path("saved_models/ns3l_table1_smoke/results.csv").is_file()
    text = Path("saved_models/ns3l_table1_smoke/table.md").read_text()
    heading = next(block for block in text.split("\n\n") if block.startswith("Scale smoke: "))
    assert "scikit-learn's digits, small_cnn, 200 iterations a run" in heading
    assert "Not the scale's settings: num_train_iter 8." in heading
    assert "13.94" not in text
    assert "**digits, 200 labels of 10 classes, 180 validation images; small_cnn, preset ns3l, 8 iterations**" in text
    [row] = [line for line in text.splitlines() if line.startswith("| table1_cifar10_vat_ns3l |")]
    assert row.rstrip(" |").endswith(" to table1_cifar10_vat")
    assert "num_train_iter 200" in row


def test_the_scales_are_listed_with_the_paper_s_own_first() -> None:
    assert list(SCALES) == ["full", "short", "smoke"]
    assert SCALES["full"].keys({}) == {}
