"""results.csv: one row for each finished run, from which tables are computed."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usb_negsamp.run.directory import write_atomically

COLUMNS = (
    "save_name",
    "algorithm",
    "imb_algorithm",
    "dataset",
    "net",
    "num_classes",
    "num_labels",
    "batch_size",
    "uratio",
    "seed",
    "split_seed",
    "num_train_iter",
    "preset",
    "validation_size",
    "selection",
    "eval_best_acc",
    "eval_best_it",
    "eval_last_acc",
    "test_acc_at_best",
    "test_acc_last",
    "eval_acc_median_last",
    "test_acc_median_last",
    "seconds",
    "device",
    "world_size",
    "torch",
    "host_version",
    "host_sha256",
    "version",
    "commit",
    "dirty",
    "data_digest",
    "split_digest",
    "start",
    "end",
)


def result_row(results: Mapping[str, Any], manifest: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return the row of a finished run.

    A test accuracy is only given where the best model was chosen on other images; where the host chooses it on the
    test images themselves, those figures are the ``eval`` ones, and the column ``selection`` says so.

    Args:
        results: the algorithm's ``results_dict``; ``eval/best_it`` counts from 0 there and from 1 in the row.
        manifest: the content of the run's manifest, ended.
        seconds: wall-clock time over all sessions.
    """
    config = manifest["config"]
    best_it = results.get("eval/best_it")
    row = {name: config.get(name) for name in COLUMNS[:14]}
    row.update(
        split_seed=manifest["split_seed"],
        selection=selection_rule(results),
        eval_best_acc=results.get("eval/best_acc"),
        eval_best_it=None if best_it is None else best_it + 1,
        eval_last_acc=results.get("eval/last_acc"),
        test_acc_at_best=results.get("test/best_acc"),
        test_acc_last=results.get("test/last_acc"),
        eval_acc_median_last=results.get("eval/median_last"),
        test_acc_median_last=results.get("test/median_last"),
        seconds=round(seconds, 1),
        device=manifest["device"],
        world_size=manifest["world_size"],
        torch=manifest["versions"]["torch"],
        host_version=manifest["host"]["version"],
        host_sha256=manifest["host"]["sources_sha256"],
        version=manifest["versions"]["usb-negsamp"],
        commit=manifest["package"]["commit"],
        dirty=manifest["package"]["dirty"],
        data_digest=manifest["data_digest"],
        split_digest=manifest["split_digest"],
        start=manifest["start"],
        end=manifest["end"],
    )
    return row


def selection_rule(results: Mapping[str, Any]) -> str:
    """Return on what the best model was chosen.

    >>> selection_rule({"eval/best_acc": 0.9, "test/best_acc": 0.8})
    'best on validation'
    """
    return "best on validation" if "test/best_acc" in results else "best on the evaluation images themselves"


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append ``row``; rows and columns that another version left in the file are kept."""
    rows: list[Mapping[str, Any]] = []
    columns = list(COLUMNS)
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns += [name for name in reader.fieldnames or [] if name not in columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows([*rows, row])
    write_atomically(path, text.getvalue())
