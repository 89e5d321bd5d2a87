"""``usb-negsamp eval``: the figures of a run's saved network, measured again or against other data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.finished_runs.rebuild import build_again
from usb_negsamp.run.records.directory import BEST, LATEST, SPL_MODEL
from usb_negsamp.run.records.manifest import config_of
from usb_negsamp.run.records.scalars import finite_or_none

MODELS = {"best": BEST, "last": LATEST, "spl": SPL_MODEL}
KEYS = (
    "data_dir",
    "labeled_dir",
    "unlabeled_dir",
    "labels_csv",
    "skip_bad",
    "lazy_images",
    "device",
    "gpu",
    "eval_batch_size",
    "num_workers",
    "bn_batches",
    "open_reject",
    "open_eval_images",
    "ood_data",
)
"""Keys that no trained weight depends on."""


def evaluate(runs: Sequence[Path], model: str, given: dict[str, str | None], *, as_json: bool = False) -> None:
    """Print the figures of finished runs.

    Args:
        runs: their folders.
        model: one of ``MODELS``.
        given: keys that no trained weight depends on, and texts, which win over the run's own.
        as_json: whether to print one JSON object instead of lines.

    Raises:
        ConfigError: no run, one without that model, other data than the run's, or a key that is the training's.
    """
    for key in given:
        if key not in KEYS:
            raise unknown("key of an evaluation", key, KEYS)
    files = {run: _model_of(run, model) for run in runs}
    found = {str(run): _figures(run, file, given) for run, file in files.items()}
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for file, figures in zip(files.values(), found.values(), strict=True):
        print(file)
        width = max(map(len, figures))
        for name, value in figures.items():
            print(f"  {name:<{width}}  {'unknown' if value is None else format(value, '.4f')}")


def _model_of(run: Path, model: str) -> Path:
    config_of(run)
    if not (run / MODELS[model]).is_file():
        raise ConfigError(f"{run} holds no such model: expected {MODELS[model]} (--model {model})")
    return run / MODELS[model]


def _figures(run: Path, file: Path, given: dict[str, str | None]) -> dict[str, float | None]:
    algorithm = build_again(run, given)

    from usb_negsamp.host.evaluation.saved import saved_figures
    from usb_negsamp.run.training.determinism import determinism

    device = next(algorithm.model.parameters()).device
    with determinism(algorithm.args.deterministic, device.type):
        return {name: finite_or_none(value) for name, value in saved_figures(algorithm, file).items()}
