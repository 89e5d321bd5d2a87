"""``usb-negsamp eval``: the figures of a run's saved network, measured again or against other data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.key import Key
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.finished_runs.rebuild import build_again, config_of
from usb_negsamp.run.records.directory import BEST, LATEST, SPL_MODEL
from usb_negsamp.run.records.scalars import finite_or_none

USAGE = """\
usage: usb-negsamp eval RUN ... [--model best | last | spl] [--json] [--key value ...]

Evaluates the averaged weights that a run has saved, on its own validation and test images: accuracy, balanced accuracy,
precision, recall and F1, and on an open-set split how well unseen classes are told apart. Writes nothing.

  --model NAME   best on validation (default), last, or what SPL has left
  --json         prints one JSON object, {RUN: {figure: value}}, instead of lines
  --key value    where and how to evaluate: data_dir, labeled_dir, unlabeled_dir, device, gpu, eval_batch_size,
                 num_workers, bn_batches, open_reject, open_eval_images, and ood_data (on an open-set split)
"""

MODELS = {"best": BEST, "last": LATEST, "spl": SPL_MODEL}
KEYS = (
    "data_dir",
    "labeled_dir",
    "unlabeled_dir",
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


def evaluate(words: Sequence[str]) -> int:
    """Print the figures of the runs that the command line names; return the exit code.

    Raises:
        ConfigError: no run, one without that model, other data than the run's, or a key that is the training's.
    """
    number = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    runs, asked = [Path(word) for word in words[:number]], command_line.parse(words[number:])
    given = asked.given
    if asked.config_file:
        raise ConfigError("eval takes the run's own configuration: --c cannot be given")
    if not runs:
        raise ConfigError("eval needs the folder of a run, e.g. saved_models/vat_ns3l_digits")
    model = given.pop("model", "best") or ""
    as_json = "json" in given and Key("json", bool, False).converted(given.pop("json") or "true", "command line")
    if model not in MODELS:
        raise unknown("--model", model, MODELS)
    for key in given:
        if key not in KEYS:
            raise unknown("key of an evaluation", key, KEYS)
    files = [_model_of(run, model) for run in runs]
    found = {str(run): _figures(run, file, given) for run, file in zip(runs, files, strict=True)}
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    for file, figures in zip(files, found.values(), strict=True):
        print(file)
        width = max(map(len, figures))
        for name, value in figures.items():
            print(f"  {name:<{width}}  {'unknown' if value is None else format(value, '.4f')}")
    return 0


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
