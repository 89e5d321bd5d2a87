"""The type of the host's algorithms, against an algorithm of the host."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from usb_negsamp.host import AlgorithmBase
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.testing import train_tiny

METHODS = [name for name, value in vars(HostAlgorithm).items() if inspect.isfunction(value) and name[0] != "_"]


def test_an_algorithm_that_has_trained_has_all_that_its_type_names(tmp_path: Path) -> None:
    algorithm = train_tiny("fixmatch", tmp_path, num_train_iter=2, num_eval_iter=2, epoch=1)
    names = [*HostAlgorithm.__annotations__, *METHODS]
    assert len(names) > 50
    assert [name for name in names if not hasattr(algorithm, name)] == []


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"train_step"}))
def test_a_method_takes_what_its_type_says(name: str) -> None:
    typed = inspect.signature(getattr(HostAlgorithm, name)).parameters.values()
    real = inspect.signature(getattr(AlgorithmBase, name)).parameters.values()
    assert [(one.name, one.kind, one.default) for one in typed] == [(one.name, one.kind, one.default) for one in real]
