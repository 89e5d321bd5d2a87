"""Checks of a whole run: that it ends, evaluates, repeats itself, goes on after a stop, and writes where it may."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import torch

from usb_negsamp.testing.report import Broken, Skipped
from usb_negsamp.testing.subject import Subject, after_each_step, described, difference, stages
from usb_negsamp.testing.tiny import parameters_of


class _Stopped(Exception):
    """Ends a run as a kill would."""


def check_run(subject: Subject) -> None:
    """A run ends normally after all its steps."""
    algorithm = subject.finished.algorithm
    if algorithm.it != algorithm.num_train_iter:
        raise Broken(
            f"expected algorithm.it to be num_train_iter = {algorithm.num_train_iter} at the end of the run, but got "
            f"{algorithm.it}: look at the algorithm's own train(), if it has one"
        )


def check_evaluation(subject: Subject) -> None:
    """``evaluate`` returns an accuracy and logits of all classes, and leaves the model as it was."""
    algorithm = subject.finished.algorithm
    before = parameters_of(algorithm)
    try:
        result = algorithm.evaluate("eval", return_logits=True)
    except Exception as error:
        raise Broken(f"expected evaluate('eval', return_logits=True) to return, but {described(error)}") from error
    for key in ("eval/top-1-acc", "eval/logits"):
        if not isinstance(result, dict) or key not in result:
            came = sorted(result) if isinstance(result, dict) else type(result).__name__
            raise Broken(f"expected evaluate('eval', return_logits=True) to return {key!r}, but got {came}")
    accuracy, shape = float(result["eval/top-1-acc"]), tuple(result["eval/logits"].shape)
    if not 0.0 <= accuracy <= 1.0:
        raise Broken(f"expected eval/top-1-acc to be in 0..1, but got {accuracy}")
    expected = (len(algorithm.dataset_dict["eval"]), algorithm.num_classes)
    if shape != expected:
        raise Broken(f"expected eval/logits of shape {expected}, images by classes, but got {shape}")
    if not torch.isfinite(torch.as_tensor(result["eval/logits"])).all():
        raise Broken("expected finite eval/logits, but some are not: look at the averaged model (ema_m)")
    changed = difference(before, parameters_of(algorithm))
    if changed is not None:
        raise Broken(f"expected evaluate to leave the models as they were, but it changed {changed}")


def check_running_statistics(subject: Subject) -> None:
    """The running statistics of batch norm, live and averaged, are finite."""
    for name, tensor in subject.finished.parameters.items():
        if not torch.isfinite(tensor).all():
            raise Broken(
                f"expected finite parameters and running statistics at the end of the run, but {name} is not: look at "
                "what the model was given in training mode, and at the loss"
            )


def check_files(subject: Subject) -> None:
    """A run writes under ``save_dir`` alone, and leaves the current directory as it was."""
    strays = subject.finished.strays
    if strays:
        raise Broken(
            f"expected all files of a run under save_dir/save_name, but it left {', '.join(strays[:5])} in the current "
            "directory"
        )


def check_determinism(subject: Subject) -> None:
    """The same seed gives the same bits."""
    apart = difference(subject.finished.parameters, subject.train("again"))
    if apart is not None:
        raise Broken(
            f"expected the same bits from two runs with the same seed, but they differ in {apart}: look for random "
            "numbers from a generator of its own that the seed does not set, for state of the class or module that the "
            "first run left, and for the order of sets"
        )


def check_resume(subject: Subject) -> None:
    """A run that is stopped in mid-epoch and goes on in a new object ends with the same bits as one that was not."""
    from usb_negsamp.host.checkpoints.resume import resume

    first = subject.build("stopped")
    in_epoch = first.num_iter_per_epoch
    stop_after = (in_epoch if first.epochs > 1 else 0) + max(1, in_epoch // 2)
    if stop_after >= first.num_train_iter:
        raise Skipped(f"a run of {first.num_train_iter} iterations cannot be stopped in mid-epoch")
    path = os.path.join(first.save_dir, first.save_name, "stopped.pth")

    def stop(algorithm: Any) -> None:
        if algorithm.it + 1 == stop_after:
            algorithm.save_model("stopped.pth", os.path.dirname(path))
            raise _Stopped

    after_each_step(first, stop)
    with contextlib.suppress(_Stopped):
        stages(first)
    second = subject.build("stopped")
    try:
        resume(second, path)
        stages(second)
    except Exception as error:
        raise Broken(f"expected a stopped run to be resumed and to end, but {described(error)}") from error
    apart = difference(subject.finished.parameters, parameters_of(second))
    if apart is not None:
        raise Broken(
            f"expected a run that is stopped after {stop_after} iterations and resumed to end with the bits of one "
            f"that is not, but they differ in {apart}: what decides later steps must be in get_save_dict and "
            "load_model, or be numbers and tensors in attributes of a hook; those of the algorithm are not saved"
        )
