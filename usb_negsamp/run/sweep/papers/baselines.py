"""Which rows of a table were trained on the same images, and which of them a row is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SAME_IMAGES = (
    "dataset",
    "labeled_dataset",
    "unlabeled_dataset",
    "num_classes",
    "num_labels",
    "seen_classes",
    "class_order",
    "mismatch_protocol",
    "mismatch_ratio",
    "num_unlabeled",
    "validation_size",
    "validation_shares",
)
"""Keys that say which images are labeled, unlabeled and held out."""
SUPERVISED = "supervised"
Config = Mapping[str, Any]


def images_of(config: Config) -> tuple[str, ...]:
    """Return what two rows share if the same seed gives them the same split."""
    return tuple(str(config.get(key)) for key in SAME_IMAGES)


def baseline_of(name: str, configs: Mapping[str, Config]) -> str | None:
    """Return the row that ``name`` is compared with, among rows on the same images; None where there is none.

    It is the row of the algorithm that is wrapped here (VAT for VAT + NS3L), the first of its kind; else that of
    supervised training; else the first row.

    Args:
        name: of the row.
        configs: resolved, of the rows on the same images, in the table's order.

    >>> rows = {"a": {"algorithm": "supervised"}, "b": {"algorithm": "vat"}, "c": {"algorithm": "vat_ns3l"}}
    >>> baseline_of("c", rows), baseline_of("b", rows), baseline_of("a", rows)
    ('b', 'a', None)
    """
    algorithm = str(configs[name]["algorithm"])
    if algorithm == SUPERVISED:
        return None
    for wanted in (*_inside(algorithm), SUPERVISED):
        found = next((other for other, config in configs.items() if config["algorithm"] == wanted), None)
        if found is not None:
            return found
    first = next(iter(configs))
    return None if first == name else first


def _inside(algorithm: str) -> Iterator[str]:
    """Yield the algorithm without its outermost wrapper, then without the next."""
    from usb_negsamp.algorithms import WRAPPERS

    head, _, tail = algorithm.rpartition("_")
    while head and tail in WRAPPERS:
        yield head
        head, _, tail = head.rpartition("_")


def in_words(configs: Sequence[Config]) -> str:
    """Return in words what rows on the same images were trained on, and what else is the same for all of them.

    >>> digits = {"dataset": "digits", "num_labels": 50, "num_classes": 10, "validation_size": 142, "net": "small_cnn"}
    >>> in_words([{**digits, "num_train_iter": 600}, {**digits, "num_train_iter": 300}])
    'digits, 50 labels of 10 classes, 142 validation images; small_cnn'
    """
    config = configs[0]
    source, target = (config.get(key) or config["dataset"] for key in ("labeled_dataset", "unlabeled_dataset"))
    labels = "all" if config["num_labels"] is None else f"{config['num_labels']:,}"
    words = [
        source if source == target else f"labels of {source}, images of {target}",
        f"{labels} labels of {config['num_classes']} {'seen ' if config.get('seen_classes') else ''}classes",
    ]
    if config.get("seen_classes"):
        ratio = config["mismatch_ratio"]
        words += [config["mismatch_protocol"], "" if ratio is None else f"mismatch {ratio:g}"]
    if config.get("num_unlabeled") is not None:
        words.append(f"{config['num_unlabeled']:,} unlabeled images")
    words.append(f"{config['validation_size']:,} validation images" if config["validation_size"] else "")
    same = {key: value for key, value in config.items() if all(one.get(key) == value for one in configs)}
    training = [str(same.get("net", "")), f"preset {same['preset']}" if same.get("preset") else ""]
    training.append(f"{same['num_train_iter']:,} iterations" if "num_train_iter" in same else "")
    return "; ".join(", ".join(word for word in part if word) for part in (words, training) if any(part))
