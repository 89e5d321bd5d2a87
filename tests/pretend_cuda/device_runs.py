"""Tiny runs by the command, in this process, and what they leave."""

from __future__ import annotations

import csv
import json
import math
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import usb_negsamp
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.records.metrics import MetricsHook, read_metrics
from usb_negsamp.testing import TINY_RUN
from usb_negsamp.testing.subject import difference

TINY: dict[str, Any] = {
    **{key: value for key, value in TINY_RUN.items() if key != "device"},
    "num_train_iter": 6,
    "num_eval_iter": 3,
    "num_log_iter": 1,
    "curve": False,
}
OPEN: dict[str, Any] = {
    "num_classes": 6,
    "seen_classes": 6,
    "mismatch_ratio": 0.5,
    "num_unlabeled": 300,
    "num_labels": 30,
}
"""Unlabeled images of ten classes, labels of six."""
SPL: dict[str, Any] = {**OPEN, "spl_rounds": 1, "spl_inner_steps": 3, "spl_outer_steps": 3, "bn_batches": 2}
PRELIMINARIES = {"num_wu_iter": 2, "queue_batch": 2, "da_len": 8}
"""Keys of single algorithms that make their own preliminaries short."""
CPU, GPU = {"device": "cpu"}, {"device": "cuda", "gpu": 0}


@dataclass(frozen=True)
class Finished:
    """A run that has ended.

    Attributes:
        directory: its folder.
        metrics: the lines of metrics.jsonl.
        row: that of results.csv.
        checkpoint: latest_model.pth, on the CPU.
    """

    directory: Path
    metrics: list[dict[str, Any]]
    row: dict[str, str]
    checkpoint: dict[str, Any]

    def weights(self, kind: str = "model") -> dict[str, Tensor]:
        """Tensors of the live (``model``) or the averaged (``ema_model``) network, as those of one process."""
        return {name.removeprefix("module."): tensor for name, tensor in self.checkpoint[kind].items()}


def words_of(algorithm: str, name: str, keys: dict[str, Any]) -> list[str]:
    """The command line that trains ``algorithm`` into ``runs/name``, with ``keys`` that differ from a tiny run's."""
    usb_negsamp.register()
    readable = {argument.name.lstrip("-") for argument in ALGORITHMS[algorithm].get_argument()}
    short = {key: value for key, value in PRELIMINARIES.items() if key in readable}
    spl = SPL if algorithm.endswith("_spl") else {}
    values = {**TINY, **spl, **short, "algorithm": algorithm, "save_dir": "runs", "save_name": name, **keys}
    return ["train", *(word for key, value in values.items() for word in (f"--{key}", str(value)))]


def train(algorithm: str, name: str, **keys: Any) -> Finished:
    """Train by the command, into ``runs/name``."""
    assert main(words_of(algorithm, name, keys)) == 0
    return finished(Path("runs", name))


def cut_and_resumed(algorithm: str, first: dict[str, Any], then: dict[str, Any], **keys: Any) -> Finished:
    """A run that a signal ended in its fourth step with the keys ``first``, and that went on with the keys ``then``."""
    log = MetricsHook.after_train_step

    def stop(self: MetricsHook, running: HostAlgorithm) -> None:
        log(self, running)
        if running.it == 3:
            signal.raise_signal(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MetricsHook, "after_train_step", stop)
        assert main(words_of(algorithm, "cut", {**keys, **first})) == 128 + signal.SIGTERM
    assert main([*words_of(algorithm, "cut", {**keys, **then}), "--resume", "True"]) == 0
    return finished(Path("runs/cut"))


def finished(directory: Path) -> Finished:
    """What the run in ``directory`` has left."""
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["exit_reason"] == "finished"
    with (directory / "results.csv").open(newline="") as file:
        *_, row = csv.DictReader(file)
    checkpoint = torch.load(directory / "latest_model.pth", map_location="cpu", weights_only=True)
    return Finished(directory, read_metrics(directory / "metrics.jsonl"), row, checkpoint)


def assert_sound(run: Finished) -> None:
    """Every figure and every weight of the run is a number, and there are losses among the figures."""
    losses = losses_of(run)
    assert losses
    assert all(math.isfinite(value) for value in losses.values()), losses
    for kind in ("model", "ema_model"):
        for name, tensor in run.weights(kind).items():
            assert bool(torch.isfinite(tensor).all()), f"{kind}.{name}"


def losses_of(run: Finished) -> dict[tuple[int, str], float]:
    """The logged losses, by their line and tag."""
    return {
        (line, tag): math.nan if value is None else float(value)
        for line, record in enumerate(run.metrics)
        for tag, value in record.items()
        if tag.startswith("train/") and tag.endswith("_loss")
    }


def assert_same(one: Finished, other: Finished, tolerance: float, losses: bool = True) -> None:
    """The runs logged the same losses and ended with the same weights, up to ``tolerance``."""
    if losses:
        assert losses_of(other) == pytest.approx(losses_of(one), rel=tolerance, abs=tolerance)
    for kind in ("model", "ema_model"):
        apart = difference(one.weights(kind), other.weights(kind), tolerance)
        assert apart is None, f"{kind}: {apart}"
