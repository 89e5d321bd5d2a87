"""What a run records of its data, also where the host's own loader read them."""

from __future__ import annotations

from argparse import Namespace
from types import SimpleNamespace
from typing import Any

import numpy as np

from usb_negsamp.data.splits.record import SplitRecord
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict, built_data_of


def algorithm(dataset_dict: Any) -> Any:
    return SimpleNamespace(dataset_dict=dataset_dict, args=Namespace(num_labels=40, dataset="cifar10", num_classes=10))


def test_what_the_host_reads_is_counted() -> None:
    parts = {"train_lb": range(40), "train_ulb": range(500), "eval": range(100), "test": None}
    for given in (parts, DatasetDict(parts, BuiltData(40, split_digest="a"))):
        found = built_data_of(algorithm(given))
        assert found.lines == ("the host's loader: 40 labeled, 500 unlabeled, 100 evaluation samples",)
        assert found.figures == {"kind": "host", "labeled": 40, "unlabeled": 500, "evaluation": 100}
    assert found.split_digest == "a"


def test_what_we_read_is_said_as_its_split_says_it() -> None:
    none = np.arange(0)
    record = SplitRecord("digest", none, none, none, figures={"labeled": 7}, lines=("digits: 7 labeled",))
    found = built_data_of(algorithm(DatasetDict({"train_lb": range(9)}, BuiltData(7, split=record))))
    assert (found.lines, found.figures) == (("digits: 7 labeled",), {"labeled": 7})


def test_of_an_algorithm_that_has_no_data_yet_nothing_is_said() -> None:
    found = built_data_of(algorithm(None))
    assert (found.num_labels, found.lines, found.figures) == (40, (), None)
