"""What SPL reports of a network on test images and on V2, before the stage and after it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch

from usb_negsamp.algorithms.spl.validation import Validation, measure
from usb_negsamp.host.evaluation.batch_norm import batch_statistics_as_they_are, reestimated_batch_norm
from usb_negsamp.host.evaluation.open_set import kept_threshold, needs_threshold, open_set_figures, open_set_of
from usb_negsamp.host.wrapping.running_statistics import reestimated_for_a_while


def start_figures(algorithm: Any, validation: Validation) -> dict[str, float]:
    """Figures of the network that the stage starts from.

    ``spl_start``: evaluated as the training evaluates it. ``spl_start_reestimated``: with its batch statistics
    estimated anew as those of every round are, which is a change that no step of the stage has made.
    """
    figures = evaluated(algorithm, "spl_start")
    with reestimated_batch_norm(algorithm):
        figures["eval/spl_start_acc"] = measure(algorithm, validation, validation.second)[0]
    with reestimated_for_a_while(algorithm), batch_statistics_as_they_are(algorithm):
        figures.update(accuracy_on_test(algorithm, "spl_start_reestimated"))
        figures["eval/spl_start_reestimated_acc"] = measure(algorithm, validation, validation.second)[0]
    return figures


def evaluated(algorithm: Any, name: str) -> dict[str, float]:
    """``test/NAME_acc``, and of an open-set split ``test/NAME_open/...``, ``train/NAME_open/...``."""
    figures = accuracy_on_test(algorithm, name)
    data = open_set_of(algorithm)
    if data is not None:
        for figure, value in open_set_figures(algorithm, data).items():
            part = "" if figure.startswith("train/") else "test/"
            figures[part + figure.replace("open/", f"{name}_open/", 1)] = value
    return figures


def threshold_of(algorithm: Any) -> float | None:
    """Of the maximum softmax of the network that the stage repairs, for its use; None where nothing asks for one."""
    if not needs_threshold(algorithm):
        return None
    with getattr(algorithm, "first_alone", nullcontext)():
        return kept_threshold(torch.from_numpy(algorithm.evaluate("eval", return_logits=True)["eval/logits"]))


def accuracy_on_test(algorithm: Any, name: str) -> dict[str, float]:
    """``test/NAME_acc``, where there are test images.

    Of two networks it is that of the one which the stage repairs, whatever the training reports.
    """
    if "test" not in algorithm.loader_dict:
        return {}
    with getattr(algorithm, "first_alone", nullcontext)():
        return {f"test/{name}_acc": algorithm.evaluate("test")["test/top-1-acc"]}
