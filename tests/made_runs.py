"""Folders as runs leave them, without a training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from usb_negsamp.run.records.results import put_row

CONFIG: dict[str, Any] = {
    "algorithm": "vat_ns3l",
    "dataset": "digits",
    "net": "small_cnn",
    "num_classes": 10,
    "num_labels": 40,
    "batch_size": 8,
    "uratio": 1,
    "num_train_iter": 400,
    "seed": 0,
    "split_seed": None,
    "lr": 0.03,
    "ns3l_rule": "threshold",
    "ns3l_threshold": 0.04,
    "device": "cpu",
    "save_name": "one",
}
ROW: dict[str, Any] = {
    "selection": "best on validation",
    "eval_best_acc": 0.85,
    "test_acc_at_best": 0.8,
    "test_acc_last": 0.75,
    "seconds": 66.3,
    "split_digest": "split",
}


def make_run(
    folder: Path,
    *,
    exit_reason: str | None = "finished",
    accuracy: float | None = 0.8,
    iterations: int = 400,
    log: str = "",
    classes: list[str] | None = None,
    **changes: Any,
) -> Path:
    """A run in ``folder``; without an accuracy it has no row. ``changes`` are of its configuration."""
    folder.mkdir(parents=True)
    config = {**CONFIG, "save_name": folder.name, **changes}
    seed = config["seed"] if config["split_seed"] is None else config["split_seed"]
    manifest = {
        "config": config,
        "argv": ["--c", "a file.yaml", "--seed", str(config["seed"])],
        "versions": {"torch": "2.5.0"},
        "split": {"kind": "closed", "validation": 100, "classes": classes or [str(label) for label in range(10)]},
        "exit_reason": exit_reason,
        "iterations_done": iterations if exit_reason else None,
        "wall_seconds": 66.3,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    records = [
        {"it": it, "train/sup_loss": 100 / it, "train/ns3l_negatives": 5.0, "eval/top-1-acc": it / 500}
        for it in range(100, iterations + 1, 100)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    (folder / "log.txt").write_text(log)
    if accuracy is not None:
        put_row(folder / "results.csv", {**config, **ROW, "split_seed": seed, "test_acc_at_best": accuracy})
    return folder
