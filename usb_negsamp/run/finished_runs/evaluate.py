"""``usb-negsamp eval``: the figures of a run's saved network, measured again or against other data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from usb_negsamp.errors import unknown
from usb_negsamp.run.finished_runs.models import model_of
from usb_negsamp.run.finished_runs.rebuild import build_again
from usb_negsamp.run.records.scalars import finite_or_none

KEYS = (
    "data_dir",
    "labeled_dir",
    "unlabeled_dir",
    "labels_csv",
    "skip_bad",
    "lazy_images",
    "decoded_dir",
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
        model: ``best``, ``last`` or ``spl``.
        given: keys that no trained weight depends on, and texts, which win over the run's own.
        as_json: whether to print one JSON object instead of lines.

    Raises:
        ConfigError: no run, one without that model, other data than the run's, or a key that is the training's.
    """
    check_keys(given)
    files = {run: model_of(run, model) for run in runs}
    found = {str(run): figures_of(run, file, given) for run, file in files.items()}
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for file, figures in zip(files.values(), found.values(), strict=True):
        print(file)
        width = max(map(len, figures))
        for name, value in figures.items():
            print(f"  {name:<{width}}  {'unknown' if value is None else format(value, '.4f')}")


def check_keys(given: Iterable[str]) -> None:
    """Refuse keys that are the training's.

    Raises:
        ConfigError: the first.
    """
    for key in given:
        if key not in KEYS:
            raise unknown("key of an evaluation", key, KEYS)


def figures_of(run: Path, file: Path, given: Mapping[str, Any]) -> dict[str, float | None]:
    """The figures of the model in ``file`` on the run's own data; None where one is not finite.

    Args:
        run: the run's folder.
        file: a checkpoint of it.
        given: keys that no trained weight depends on, which win over the run's own.
    """
    algorithm = build_again(run, given)

    from usb_negsamp.host.evaluation.saved import saved_figures
    from usb_negsamp.run.training.determinism import determinism

    device = next(algorithm.model.parameters()).device
    with determinism(algorithm.args.deterministic, device.type):
        return {name: finite_or_none(value) for name, value in saved_figures(algorithm, file).items()}
