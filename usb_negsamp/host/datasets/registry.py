"""Which data sets the host can load, and those that are added to them.

``EXTRA_DATASETS`` holds loaders by name, ahead of the host's own. The repair ``unknown_dataset`` reads it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from semilearn.core.utils import build

Loader = Callable[[Any, str, str, int, int, str, bool], dict[str, Any]]


HOST_DATASETS = (
    "aclImdb",
    "ag_news",
    "amazon_review",
    "cifar10",
    "cifar100",
    "dbpedia",
    "esc50",
    "eurosat",
    "fsdnoisy",
    "gtzan",
    "imagenet",
    "imagenet127",
    "semi_aves",
    "semi_aves_out",
    "semi_inat",
    "stl10",
    "superbks",
    "superbsi",
    "svhn",
    "tissuemnist",
    "urbansound8k",
    "yahoo_answers",
    "yelp_review",
)


def food101(
    args: Any,
    algorithm: str,
    dataset: str,
    num_labels: int,
    num_classes: int,
    data_dir: str = "./data",
    include_lb_to_ulb: bool = True,
) -> dict[str, Any]:
    """The host's own loader of Food-101, which its ``get_dataset`` does not call."""
    from semilearn.datasets import get_food101

    labeled, unlabeled, evaluation = get_food101(
        args, algorithm, dataset, num_labels, num_classes, data_dir=data_dir, include_lb_to_ulb=include_lb_to_ulb
    )
    return {"train_lb": labeled, "train_ulb": unlabeled, "eval": evaluation, "test": None}


EXTRA_DATASETS: dict[str, Loader] = {"food101": food101}


def known_names() -> list[str]:
    """Names of the data sets that this host, or ``EXTRA_DATASETS``, can load."""
    mentioned = set(_text_constants(inspect.unwrap(build.get_dataset).__code__.co_consts))
    return sorted({*EXTRA_DATASETS, *mentioned.intersection(HOST_DATASETS)})


def list_in_host(names: Iterable[str]) -> None:
    """Add ``names`` to the data sets that the host takes for known, where it has a list of them (``DATASETS``)."""
    listed = getattr(build, "DATASETS", None)
    if listed is not None:
        listed += [name for name in names if name not in listed]


def _text_constants(constants: Any) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, (tuple, frozenset)):
            yield from _text_constants(constant)
