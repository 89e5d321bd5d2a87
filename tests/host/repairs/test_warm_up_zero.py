"""``unsup_warm_up: 0``."""

from __future__ import annotations

import contextlib
import inspect
from typing import Any

import pytest
import torch
from semilearn.algorithms.pimodel import PiModel
from semilearn.core import AlgorithmBase
from semilearn.core.criterions import CELoss, ConsistencyLoss
from semilearn.core.utils import ALGORITHMS, Bn_Controller

from usb_negsamp.host.patching import undone
from usb_negsamp.nets import small_cnn


def _losses(warm_up: float, step: int = 0) -> dict[str, float]:
    torch.manual_seed(0)
    algorithm: Any = object.__new__(PiModel)
    algorithm.model = small_cnn(num_classes=3)
    algorithm.amp_cm = contextlib.nullcontext
    algorithm.bn_controller = Bn_Controller()
    algorithm.ce_loss, algorithm.consistency_loss = CELoss(), ConsistencyLoss()
    algorithm.it, algorithm.num_train_iter, algorithm.lambda_u = step, 10, 2.0
    algorithm.init(unsup_warm_up=warm_up)
    images = torch.randn(3, 4, 3, 32, 32)
    _, figures = algorithm.train_step(images[0], torch.tensor([0, 1, 2, 0]), images[1], images[2])
    return {name: float(figure) for name, figure in figures.items()}


def test_host_divides_by_zero() -> None:
    with undone("warm_up_zero"), pytest.raises(ZeroDivisionError):
        _losses(0)


@pytest.mark.parametrize("zero", [0, 0.0])
def test_without_warm_up_the_first_step_has_full_weight(zero: float) -> None:
    losses = _losses(zero)
    assert losses["train/unsup_loss"] > 0
    expected = losses["train/sup_loss"] + 2 * losses["train/unsup_loss"]
    assert losses["train/total_loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("step", "weight"), [(0, 0.0), (1, 0.25), (4, 1.0), (9, 1.0)])
def test_a_warm_up_is_the_host_s(step: int, weight: float) -> None:
    losses = _losses(0.4, step)
    with undone("warm_up_zero"):
        assert losses == _losses(0.4, step)
    expected = losses["train/sup_loss"] + 2 * weight * losses["train/unsup_loss"]
    assert losses["train/total_loss"] == pytest.approx(expected, rel=1e-6)


def test_an_algorithm_without_warm_up_has_no_such_attribute() -> None:
    algorithm: Any = object.__new__(AlgorithmBase)
    assert not hasattr(algorithm, "unsup_warm_up")
    algorithm.unsup_warm_up = 0.3
    assert algorithm.unsup_warm_up == 0.3


@pytest.mark.parametrize("name", ["pimodel", "meanteacher", "pseudolabel", "vat", "mixmatch", "remixmatch"])
def test_every_algorithm_that_warms_up_reads_the_attribute(name: str) -> None:
    assert issubclass(ALGORITHMS[name], AlgorithmBase)
    assert "unsup_warm_up" in inspect.unwrap(ALGORITHMS[name].train_step).__code__.co_names
