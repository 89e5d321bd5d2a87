"""How large the runs of a paper's table are: the paper's own, shorter on its data, or small on digits.

A scale changes keys of each row by what the row's own configuration has for them; every other key keeps the row's
value. So what tells the rows of a table apart is kept: the algorithm with its keys, its optimizer and views, the share
of unseen classes, and which of two rows has more labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

SHORT_ITERATIONS = 10_000
SHORT_EVALUATION = 500
SHORT_LOG = 100
SMOKE_ITERATIONS = 200
SMOKE_SEEN = 5
"""Classes with labels, where a row's own are not among the first ten."""
ALL_LABELS = 7291
"""Labels of a row that takes all of a data set: USPS's."""
SMOKE_EVALUATION = 50


@dataclass(frozen=True)
class Scale:
    """A size of the runs.

    Attributes:
        name: for the command line.
        seeds: how many label splits, unless the user says otherwise.
        about: what it changes, in a sentence for the heading of its rows; empty where it changes nothing.
        keys: the values that a row's runs get in place of its own, from the row's resolved configuration.
    """

    name: str
    seeds: int
    about: str
    keys: Callable[[Mapping[str, Any]], dict[str, Any]]


def short_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a shorter run has in place of the paper's: its length, and how often it is looked at.

    >>> short_keys({"num_train_iter": 500_000, "num_eval_iter": 5000, "num_log_iter": 500})
    {'num_train_iter': 10000, 'epoch': 1, 'num_eval_iter': 500, 'num_log_iter': 100}
    """
    return {
        "num_train_iter": min(config["num_train_iter"], SHORT_ITERATIONS),
        "epoch": 1,
        "num_eval_iter": min(config["num_eval_iter"], SHORT_EVALUATION),
        "num_log_iter": min(config["num_log_iter"], SHORT_LOG),
    }


def smoke_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run on digits has in place of the paper's; see docs/usage.md."""
    number = 10 if config["seen_classes"] is None else _number_seen(config["seen_classes"])
    values = {
        "dataset": "digits",
        "labeled_dataset": None,
        "unlabeled_dataset": None,
        "num_classes": number,
        "num_labels": number * labels_of_class(config["num_labels"] or ALL_LABELS, config["num_classes"]),
        "validation_size": 180 if config["validation_size"] else 0,
        "img_size": 16,
        "horizontal_flip": False,
        "net": "small_cnn",
        "batch_size": min(config["batch_size"], 32),
        "uratio": min(config["uratio"], 2),
        "eval_batch_size": 512,
        "num_workers": 0,
        "ema_m": min(config["ema_m"], 0.95),
        "bn_batches": min(config["bn_batches"], 5),
        "num_train_iter": SMOKE_ITERATIONS,
        "epoch": 1,
        "num_eval_iter": SMOKE_EVALUATION,
        "num_log_iter": SMOKE_EVALUATION,
    }
    if config["seen_classes"] is not None:
        values["seen_classes"] = config["seen_classes"] if _among_digits(config["seen_classes"]) else number
        values["class_order"] = "label"
    if config["num_unlabeled"] is not None:
        values["num_unlabeled"] = 400
    for key, value in (("spl_rounds", 2), ("spl_inner_steps", 10), ("spl_outer_steps", 10), ("mtc_epoch", 0.05)):
        if key in config:
            values[key] = value
    return values


def labels_of_class(num_labels: int, num_classes: int) -> int:
    """Return the labels of a class among the 144 images of a digit: the square root of the paper's, rounded up.

    Rows with more labels so have more here, too, from the 2 of MNIST to the 1,000 of SVHN.

    >>> [labels_of_class(number, 10) for number in (20, 50, 100, 250, 1000, 4000)]
    [2, 3, 4, 5, 10, 20]
    """
    return math.ceil(math.sqrt(num_labels / num_classes))


def _number_seen(seen: Any) -> int:
    return len(seen) if _among_digits(seen) else SMOKE_SEEN


def _among_digits(seen: Any) -> bool:
    return isinstance(seen, (list, tuple)) and all(isinstance(label, int) and label < 10 for label in seen)


SCALES: dict[str, Scale] = {
    scale.name: scale
    for scale in (
        Scale("full", 5, "", lambda config: {}),
        Scale(
            "short",
            3,
            f"the paper's data, networks and batches, at most {SHORT_ITERATIONS:,} iterations a run",
            short_keys,
        ),
        Scale(
            "smoke",
            2,
            f"scikit-learn's digits, small_cnn, {SMOKE_ITERATIONS} iterations a run, the square root of the paper's "
            "labels a class",
            smoke_keys,
        ),
    )
}
"""By name, the paper's own first."""
