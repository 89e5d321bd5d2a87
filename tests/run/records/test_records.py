"""What a run leaves: manifest.json, results.csv, metrics.jsonl, curve.png, TensorBoard events, and a summary."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import usb_negsamp
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.built_data import BuiltData
from usb_negsamp.run.figures.training_curve import draw_curve
from usb_negsamp.run.records.manifest import Manifest, read_manifest
from usb_negsamp.run.records.metrics import MetricsHook, read_metrics
from usb_negsamp.run.records.results import COLUMNS, put_row, result_row
from usb_negsamp.run.records.scalars import scalars
from usb_negsamp.run.records.versions import own_commit
from usb_negsamp.run.report.measures import find_measure
from usb_negsamp.run.training.summary import summary
from usb_negsamp.run.training.tensorboard import TensorBoardLog

CONFIG = {
    "algorithm": "vat_ns3l",
    "dataset": "digits",
    "net": "small_cnn",
    "num_labels": 40,
    "seed": 3,
    "split_seed": None,
    "save_name": "one",
    "num_train_iter": 6,
}
RESULTS = {
    "eval/best_acc": 0.9,
    "eval/best_it": 3,
    "eval/last_acc": 0.85,
    "test/best_acc": 0.88,
    "test/last_acc": 0.87,
}


DATA = BuiltData(40, data_digest="d" * 64, split_digest="s" * 64)


def begun(path: Path, **changes: Any) -> Manifest:
    values: dict[str, Any] = {"config": CONFIG, "argv": ["--c", "x.yaml"], "data": DATA, "world_size": 1}
    return Manifest(path, device=torch.device("cpu"), **{**values, **changes})


def test_a_manifest_says_what_was_asked_and_with_what_it_ran(tmp_path: Path) -> None:
    begun(tmp_path / "manifest.json").write()
    content = read_manifest(tmp_path / "manifest.json")
    assert content["config"] == CONFIG
    assert content["argv"] == ["--c", "x.yaml"]
    assert (content["seed"], content["split_seed"]) == (3, 3)
    assert (content["data_digest"], content["split_digest"]) == ("d" * 64, "s" * 64)
    names = {"python", "torch", "torchvision", "semilearn", "timm", "numpy", "scikit-learn", "usb-negsamp"}
    assert set(content["versions"]) == names
    assert len(content["host"]["sources_sha256"]) == 64
    assert set(content["package"]) == {"commit", "dirty"}
    assert content["device"].startswith("cpu")
    assert content["exit_reason"] is None
    assert content["end"] is None


def test_a_manifest_of_data_without_digests_says_null(tmp_path: Path) -> None:
    assert begun(tmp_path / "m", data=BuiltData(40)).content["data_digest"] is None


def test_a_manifest_ends_with_time_reason_and_iterations(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "manifest.json")
    manifest.close("SIGTERM", 4)
    manifest.write()
    content = read_manifest(tmp_path / "manifest.json")
    assert (content["exit_reason"], content["iterations_done"]) == ("SIGTERM", 4)
    assert datetime.fromisoformat(content["end"]) >= datetime.fromisoformat(content["start"])
    assert datetime.fromisoformat(content["end"]).utcoffset() is not None
    assert content["wall_seconds"] >= 0
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_resumed_run_keeps_its_earlier_sessions_and_adds_up_their_time(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    first = begun(path)
    first.close("SIGTERM", 4)
    first.write()
    content = read_manifest(path)
    content["wall_seconds"] = 100.0
    path.write_text(json.dumps(content))
    resumed = begun(path, resumed_from=tmp_path / "latest_model.pth")
    resumed.close("finished", 6)
    resumed.write()
    earlier = read_manifest(path)["earlier_sessions"]
    assert [(session["exit_reason"], session["iterations_done"]) for session in earlier] == [("SIGTERM", 4)]
    assert resumed.total_seconds >= 100


def test_a_result_row_has_every_column_and_counts_iterations_from_one(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "m")
    manifest.close("finished", 6)
    put_row(tmp_path / "results.csv", result_row(RESULTS, manifest.content, 12.34))
    other = {**manifest.content, "split_seed": 4, "config": {**manifest.content["config"], "split_seed": 4}}
    put_row(tmp_path / "results.csv", result_row({"eval/best_acc": 0.5}, other, 1.0))
    with (tmp_path / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    first = rows[0]
    assert (first["eval_best_acc"], first["eval_best_it"], first["seconds"]) == ("0.9", "4", "12.3")
    assert (first["test_acc_at_best"], first["test_acc_last"], first["split_seed"]) == ("0.88", "0.87", "3")
    assert first["selection"] == "best on validation"
    assert rows[1]["selection"] == "best on the evaluation images themselves"
    assert rows[1]["test_acc_at_best"] == ""


def test_a_run_that_ends_again_leaves_one_row(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "m")
    for seconds in (1.0, 2.0):
        put_row(tmp_path / "results.csv", result_row(RESULTS, manifest.content, seconds))
    with (tmp_path / "results.csv").open(newline="") as file:
        assert [row["seconds"] for row in csv.DictReader(file)] == ["2.0"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"config": 1}', "\x00\x01"])
def test_a_damaged_manifest_is_one_line_and_not_none(content: str, tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "manifest.json") == {}
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ConfigError, match=r"manifest\.json is damaged: expected what a run was asked"):
        read_manifest(tmp_path / "manifest.json")


OPEN_CONFIG = {
    **CONFIG,
    "seen_classes": ["bird", 3],
    "class_order": "label",
    "mismatch_protocol": "fixed_total",
    "mismatch_ratio": 0.3,
    "num_unlabeled": 300,
}
OPEN_RESULTS = {
    **RESULTS,
    "train/open/mismatch": 0.2967,
    "train/open/labeled_ratio": 0.125,
    "train/open/confident_unseen": 0.25,
    "train/open/confident_seen": 0.5,
    "test/open/auroc": 0.81,
    "test/open/auroc_energy": 0.79,
    "test/open/pool/auroc": 0.77,
    "test/open/balanced_acc": 0.66,
    "test/open/svhn/auroc": 0.95,
    "test/open/svhn/aupr": 0.9,
    "test/last_open/auroc": 0.83,
    "test/last_open/svhn/auroc": 0.94,
    "train/last_open/confident_unseen": 0.2,
}


def test_a_row_of_an_open_set_run_has_its_split_and_its_figures(tmp_path: Path) -> None:
    """It goes into a file of runs without unseen classes, whose rows and new columns stay readable."""
    path = tmp_path / "results.csv"
    for config, results in ((CONFIG, RESULTS), (OPEN_CONFIG, OPEN_RESULTS), (CONFIG, RESULTS)):
        put_row(path, result_row(results, begun(tmp_path / "m", config=config).content, 1.0))
    with path.open(newline="") as file:
        closed, opened, after = list(csv.DictReader(file))
    assert set(opened) == {*COLUMNS, "open_svhn_auroc", "open_svhn_auroc_last"}
    assert (opened["seen_classes"], opened["mismatch_protocol"]) == ("bird 3", "fixed_total")
    assert (opened["mismatch_ratio"], opened["mismatch"], opened["labeled_ratio"]) == ("0.3", "0.2967", "0.125")
    assert (opened["open_auroc"], opened["pool_auroc"], opened["open_svhn_auroc"]) == ("0.81", "0.77", "0.95")
    last = ("open_auroc_last", "open_svhn_auroc_last", "confident_unseen_last", "pool_auroc_last")
    assert [opened[name] for name in last] == ["0.83", "0.94", "0.2", ""]
    assert opened["pool_auroc_energy"] == ""
    for row in (closed, after):
        assert {row[name] for name in ("mismatch_protocol", "mismatch", "open_auroc", "open_svhn_auroc")} == {""}


def test_a_protocol_that_no_split_was_made_by_is_not_in_the_row(tmp_path: Path) -> None:
    config = {**CONFIG, "seen_classes": None, "mismatch_protocol": "fixed_total"}
    assert "mismatch_protocol" not in result_row(RESULTS, begun(tmp_path / "m", config=config).content, 1.0)


def test_a_row_goes_into_a_file_of_another_version_without_losing_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("algorithm,mood\nvat,good\n")
    put_row(path, {"algorithm": "uda"})
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["algorithm"], row["mood"]) for row in rows] == [("vat", "good"), ("uda", "")]


def numbers(it: int) -> dict[str, Any]:
    log = {"train/sup_loss": torch.tensor(1.0 / (it + 1)), "train/run_time": 0.1 * it, "note": "text"}
    return {**log, "eval/top-1-acc": 0.1 * it} if it % 3 == 2 else log


def test_metrics_are_written_when_logged_and_when_evaluated(tmp_path: Path, make_algorithm: type[Any]) -> None:
    hook = MetricsHook(tmp_path / "metrics.jsonl")
    make_algorithm().train(hook, numbers=numbers)
    records = read_metrics(tmp_path / "metrics.jsonl")
    assert [record["it"] for record in records] == [2, 3, 4, 6]
    assert records[0] == {"it": 2, "train/sup_loss": 0.5}
    assert records[1]["eval/top-1-acc"] == 0.2


def test_metrics_of_a_resumed_run_are_those_of_an_uninterrupted_one(tmp_path: Path, make_algorithm: type[Any]) -> None:
    whole, resumed = tmp_path / "whole.jsonl", tmp_path / "resumed.jsonl"
    make_algorithm().train(MetricsHook(whole), numbers=numbers)
    make_algorithm().train(MetricsHook(resumed), numbers=numbers)
    resumed.write_text(resumed.read_text() + '{"it": 7, "cut sho')
    algorithm = make_algorithm()
    algorithm.it = 3
    algorithm.train(MetricsHook(resumed), numbers=numbers)
    assert resumed.read_bytes() == whole.read_bytes()


def test_metrics_of_a_new_run_do_not_keep_old_lines(tmp_path: Path, make_algorithm: type[Any]) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"it": 2}\n')
    make_algorithm().train(MetricsHook(path))
    assert [record["it"] for record in read_metrics(path)] == [2, 3, 4, 6]


def test_numbers_that_json_has_no_word_for_become_null(tmp_path: Path, make_algorithm: type[Any]) -> None:
    hook = MetricsHook(tmp_path / "m")
    make_algorithm(num_train_iter=2).train(hook, numbers=lambda it: {"a": float("nan"), "b": float("inf")})
    assert (tmp_path / "m").read_text() == '{"it": 2, "a": null, "b": null}\n'


def test_only_numbers_are_taken_from_a_log() -> None:
    log = {"a": torch.tensor(1.5), "b": np.float32(2), "c": 3, "d": "x", "e": None, "f": torch.ones(2), "g": np.ones(3)}
    assert scalars(log) == {"a": 1.5, "b": 2.0, "c": 3.0}


def test_a_curve_is_a_picture(tmp_path: Path) -> None:
    records = [
        {
            "it": 10 * i,
            "train/sup_loss": 1.0 / i,
            "train/total_loss": None if i == 2 else 2.0 / i,
            "eval/top-1-acc": i / 9,
            **({"eval/open/auroc": 0.7, "train/open/confident_unseen": 0.1} if i % 2 else {}),
        }
        for i in range(1, 9)
    ]
    draw_curve(records, tmp_path / "curve.png", "a run")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]


def test_a_curve_of_nothing_is_drawn_too(tmp_path: Path) -> None:
    draw_curve([], tmp_path / "curve.png", "an empty run")
    assert (tmp_path / "curve.png").exists()


def test_tensorboard_events_are_written_only_once_opened_and_stand_texts(tmp_path: Path) -> None:
    log = TensorBoardLog()
    log.update({"train/sup_loss": 1.0}, 1)
    assert list(tmp_path.iterdir()) == []
    log.open(tmp_path / "tensorboard", 0)
    log.update({"train/sup_loss": torch.tensor(1.0), "note": "text", "none": None}, 1)
    log.close()
    log.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["train/sup_loss"]


def test_the_summary_has_both_test_figures_and_where_things_are(tmp_path: Path) -> None:
    (tmp_path / "curve.png").touch()
    manifest = begun(tmp_path / "m")
    manifest.close("finished", 6)
    text = summary(RESULTS, manifest.content, tmp_path, 83)
    assert "88.00% (at the best validation, iteration 4), 87.00% (last)" in text
    assert str(tmp_path / "curve.png") in text
    assert "6 iterations in 0:01:23" in text
    assert "latest model" not in text


def test_the_summary_of_an_open_set_run_says_how_unseen_classes_were_told_apart(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "m", config=OPEN_CONFIG)
    manifest.close("finished", 6)
    lines = summary(OPEN_RESULTS, manifest.content, tmp_path, 1).splitlines()
    assert "  open set        fixed_total, mismatch 0.297, 0.125 labeled per unlabeled image" in lines
    assert "  AUROC           0.810 (max softmax), 0.790 (energy), seen against unseen test images" in lines
    assert "  AUROC           0.770 (max softmax), unknown (energy), seen against unseen unlabeled images" in lines
    assert "  open accuracy   66.00% (balanced, unseen as one class)" in lines
    assert "  confident       25.00% of the unseen unlabeled images, 50.00% of the seen ones" in lines


SPL_RESULTS = {
    **RESULTS,
    "eval/spl_acc": 0.95,
    "eval/spl_start_acc": 0.9,
    "test/spl_acc": 0.91,
    "test/spl_start_acc": 0.87,
    "eval/spl_round": 3,
    "eval/spl_kept_ratio": 0.736,
    "test/spl_open/auroc": 0.8125,
    "test/spl_start_open/auroc": 0.75,
}


def test_what_spl_leaves_is_in_the_row_the_summary_and_the_table(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "m")
    manifest.close("finished", 6)
    row = result_row(SPL_RESULTS, manifest.content, 1.0)
    assert (row["spl_test_acc"], row["spl_eval_acc"], row["spl_kept_ratio"]) == (0.91, 0.95, 0.736)
    assert (row["spl_open_auroc"], row["spl_start_open_auroc"], row["spl_pool_auroc"]) == (0.8125, 0.75, None)
    text = summary(SPL_RESULTS, manifest.content, tmp_path, 1)
    assert "  AUROC after SPL 0.812 (max softmax; before it 0.750), seen against unseen test images" in text
    assert "  after SPL       91.00% (test; before it 87.00%), round 3, 73.60% of the weights kept" in text
    end, last = find_measure("end"), find_measure("last")
    assert end.error(row) == pytest.approx(9.0)
    assert last.error(row) == pytest.approx(13.0)
    assert end.error(result_row(RESULTS, manifest.content, 1.0)) == pytest.approx(13.0)


def test_both_networks_of_a_pair_are_in_the_row_and_the_summary(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "m")
    manifest.close("finished", 6)
    results = {**RESULTS, "test/first_acc": 0.88, "test/peer_acc": 0.9, "test/average_acc": 0.91}
    assert result_row(results, manifest.content, 1.0)["peer_test_acc"] == 0.9
    text = summary(results, manifest.content, tmp_path, 1)
    assert "  two networks    88.00% (first), 90.00% (second), 91.00% (their average)" in text
    assert "two networks" not in summary(RESULTS, manifest.content, tmp_path, 1)


def test_the_summary_says_when_the_best_was_chosen_on_the_test_images(tmp_path: Path) -> None:
    manifest = begun(tmp_path / "m")
    manifest.close("finished", 6)
    text = summary({"eval/best_acc": 0.9, "eval/best_it": 3, "eval/last_acc": 0.85}, manifest.content, tmp_path, 1)
    assert "85.00% (last), 90.00% (best on the test images themselves, iteration 4)" in text


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_damaged_manifest_is_no_missing_one(content: str, tmp_path: Path) -> None:
    assert read_manifest(tmp_path / "manifest.json") == {}
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ConfigError, match=r"manifest\.json is damaged: expected what a run was asked, but it "):
        read_manifest(tmp_path / "manifest.json")


def test_a_checkout_that_hides_the_installed_host_does_not_take_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from usb_negsamp.run.records import versions

    checkout = tmp_path / "semilearn"
    checkout.mkdir()
    (checkout / "__init__.py").write_text("x = 1\n")
    monkeypatch.setattr(versions, "host_location", lambda: checkout)
    identity = versions.host_identity()
    assert identity["version"] is None
    (checkout / "__init__.py").write_text("x = 2\n")
    assert versions.host_identity()["sources_sha256"] != identity["sources_sha256"]


def test_looking_at_our_commit_leaves_the_index_of_the_repository_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another git at work there holds a lock on it; a refresh would write it."""
    module = tmp_path / "package" / "__init__.py"
    module.parent.mkdir()
    module.write_text("")
    identity = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "Begin"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    os.utime(module, (0, 0))
    monkeypatch.setattr(usb_negsamp, "__file__", str(module))
    before = (tmp_path / ".git/index").read_bytes()
    found = own_commit()
    assert found["dirty"] is False
    assert len(found["commit"]) == 40
    assert (tmp_path / ".git/index").read_bytes() == before
    subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, check=True)
    assert (tmp_path / ".git/index").read_bytes() != before, "where git may, it writes the index"


@pytest.mark.parametrize("line", ["[1, 2]", "3", '{"iteration": 4}', '{"it": "many"}', "{", "\x00\ufffd"])
def test_metrics_are_read_up_to_a_line_that_is_none(tmp_path: Path, line: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(f'{{"it": 1}}\n{line}\n{{"it": 3}}\n')
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"it": 1}]
    (tmp_path / "metrics.jsonl").write_bytes(b'{"it": 1}\n\xff\xfe\n')
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"it": 1}]
