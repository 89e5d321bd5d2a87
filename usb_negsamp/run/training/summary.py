"""The few lines that a finished run ends with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from usb_negsamp.run.records.directory import (
    BEST,
    CURVE,
    KEPT_RATIO,
    LATEST,
    MANIFEST,
    METRICS,
    RESULTS,
    SPL_MODEL,
)
from usb_negsamp.run.training.progress import clock


def summary(results: Mapping[str, Any], manifest: Mapping[str, Any], directory: Path, seconds: float) -> str:
    """Return the summary: the accuracies, and where everything is.

    Args:
        results: the algorithm's ``results_dict``.
        manifest: the content of the run's manifest.
        directory: the run's folder.
        seconds: wall-clock time over all sessions.
    """
    config = manifest["config"]
    lines = [
        f"{config['algorithm']} on {config['dataset']}, {config['num_labels']} labels, seed {config['seed']}: "
        f"{what_is_done(config, manifest['iterations_done'])} in {clock(seconds)} on {manifest['device']}"
    ]
    lines += _start_lines(results) if _without_training(config) else _training_lines(results, manifest)
    median = results.get("test/median_last", results.get("eval/median_last"))
    if median is not None:
        lines.append(f"  median accuracy {_percent(median)} (test, over the last evaluations)")
    lines += [*_two_network_lines(results), *_spl_lines(results, config), *_open_set_lines(results, config)]
    files = {"curve": CURVE, "results": RESULTS, "manifest": MANIFEST, "metrics": METRICS}
    files.update({"latest model": LATEST, "best model": BEST, "SPL model": SPL_MODEL, "kept weights": KEPT_RATIO})
    lines += [f"  {name:<15} {directory / file}" for name, file in files.items() if (directory / file).exists()]
    return "\n".join(lines)


def what_is_done(config: Mapping[str, Any], iterations: int) -> str:
    """Return what a run consists of, in words.

    >>> what_is_done({"algorithm": "vat"}, 600)
    '600 iterations'
    >>> what_is_done({"algorithm": "vat_spl", "spl_from": "saved_models/vat"}, 600)
    'SPL of saved_models/vat'
    >>> what_is_done({"algorithm": "vat_spl", "spl_from": "saved_models/vat", "spl_control": "finetune"}, 600)
    'fine-tuning on V1 of saved_models/vat'
    """
    if not _without_training(config):
        return f"{iterations} iterations"
    return f"{_STAGES[config.get('spl_control')].what} {config.get('spl_from') or 'the untrained network'}"


def of_iteration(config: Mapping[str, Any], iteration: int) -> str:
    """Return the words before a checkpoint that say when it was written, or none where a run has no training.

    >>> of_iteration({"algorithm": "vat"}, 600), of_iteration({"algorithm": "vat_spl", "spl_from": "runs/vat"}, 600)
    ('iteration 600 of ', '')
    """
    return "" if _without_training(config) else f"iteration {iteration} of "


class _Stage(NamedTuple):
    """Words for what the stage of SPL, or a control in its place, does."""

    what: str
    after: str
    auroc: str


_STAGES: dict[str | None, _Stage] = {
    None: _Stage("SPL of", "after SPL", "AUROC after SPL"),
    "finetune": _Stage("fine-tuning on V1 of", "fine-tuned", "AUROC after"),
    "alternate": _Stage("steps on V1 and outer steps in turn, from", "alternated", "AUROC after"),
}


def _without_training(config: Mapping[str, Any]) -> bool:
    return config.get("spl_from") is not None or config.get("spl_ablation") == "no_pretraining"


def _training_lines(results: Mapping[str, Any], manifest: Mapping[str, Any]) -> list[str]:
    """Return the accuracies of the best and the last model of a training, on the images that there are."""
    best_it = results.get("eval/best_it")
    at_best = "" if best_it is None else f", iteration {best_it + 1}"
    if "test/best_acc" in results:
        return [
            f"  test accuracy   {_percent(results['test/best_acc'])} (at the best validation{at_best}), "
            f"{_percent(results.get('test/last_acc'))} (last)",
            f"  validation      {_percent(results.get('eval/best_acc'))} (best)",
        ]
    if (manifest.get("split") or {}).get("test") == 0:
        return [
            f"  validation      {_percent(results.get('eval/last_acc'))} (last), "
            f"{_percent(results.get('eval/best_acc'))} (best{at_best}); the data have no test images"
        ]
    return [
        f"  test accuracy   {_percent(results.get('eval/last_acc'))} (last), "
        f"{_percent(results.get('eval/best_acc'))} (best on the test images themselves{at_best})"
    ]


def _start_lines(results: Mapping[str, Any]) -> list[str]:
    """Return the accuracies of the network that a run without a training starts from."""
    return [
        f"  at the start    {_percent(results.get('test/best_acc'))} (test), "
        f"{_percent(results.get('eval/best_acc'))} (validation)"
    ]


def _two_network_lines(results: Mapping[str, Any]) -> list[str]:
    """Return the accuracy of each network of a pair and of their average; nothing for a run with one network."""
    if "test/first_acc" not in results:
        return []
    first, peer, average = (_percent(results.get(f"test/{name}_acc")) for name in ("first", "peer", "average"))
    return [f"  two networks    {first} (first), {peer} (second), {average} (their average)"]


def _spl_lines(results: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return what SPL, or a control in its place, made of the trained network; nothing for a run without it."""
    if "eval/spl_acc" not in results:
        return []
    control = config.get("spl_control")
    words = _STAGES[control]
    part = "test" if "test/spl_acc" in results else "eval"
    before = _percent(results.get(f"{part}/spl_start_acc"))
    anew = results.get(f"{part}/spl_start_reestimated_acc")
    if anew is not None:
        before += f", {_percent(anew)} with batch statistics estimated anew"
    kept = "no mask" if control else f"{_percent(results.get('eval/spl_kept_ratio'))} of the weights kept"
    lines = [
        f"  {words.after:<15} {_percent(results[f'{part}/spl_acc'])} ({'test' if part == 'test' else 'V2'}; before it "
        f"{before}), round {results.get('eval/spl_round')}, {kept}"
    ]
    tried = {name.rpartition("/")[2]: value for name, value in results.items() if name.startswith("eval/spl_acc_at/")}
    if tried:
        among = ", ".join(f"{rate} ({_percent(value)})" for rate, value in tried.items())
        lines.append(f"  rate on V1      {results['eval/spl_v1_lr']:g}, chosen on V2 among {among}")
    if config.get("spl_mismatch") == "estimate" and "train/spl_mismatch" in results:
        lines.append(f"  mismatch        {results['train/spl_mismatch']:.3f}, estimated")
    if "test/spl_open/auroc" in results:
        lines.append(
            f"  {words.auroc:<15} {results['test/spl_open/auroc']:.3f} (max softmax; before it "
            f"{_number(results.get('test/spl_start_open/auroc'))}), seen against unseen test images"
        )
    return lines


def _open_set_lines(results: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return what the split was and how well unseen classes are told apart; nothing for a run without them."""
    if "train/open/mismatch" not in results:
        return []
    lines = [
        f"  open set        {config.get('mismatch_protocol')}, mismatch {results['train/open/mismatch']:.3f}, "
        f"{results['train/open/labeled_ratio']:.3f} labeled per unlabeled image"
    ]
    for part, name in (("test images", "test/open"), ("unlabeled images", "test/open/pool")):
        if f"{name}/auroc" in results:
            lines.append(
                f"  AUROC           {results[f'{name}/auroc']:.3f} (max softmax), "
                f"{_number(results.get(f'{name}/auroc_energy'))} (energy), seen against unseen {part}"
            )
    if "test/open/balanced_acc" in results:
        lines.append(f"  open accuracy   {_percent(results['test/open/balanced_acc'])} (balanced, unseen as one class)")
    if "train/open/confident_unseen" in results:
        lines.append(
            f"  confident       {_percent(results['train/open/confident_unseen'])} of the unseen unlabeled images, "
            f"{_percent(results.get('train/open/confident_seen'))} of the seen ones"
        )
    return lines


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.2f}%"
