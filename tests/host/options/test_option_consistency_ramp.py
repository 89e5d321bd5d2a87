"""``unsup_ramp``."""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from semilearn.core import AlgorithmBase

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.options.consistency_ramp import RAMPS
from usb_negsamp.host.patching import undone
from usb_negsamp.run.configuration.keys import own_key
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

RAMPING = ("vat", "pimodel", "meanteacher", "pseudolabel", "mixmatch", "remixmatch")


def weight(step: int, warm_up: float, ramp: str) -> float:
    """What the host's expression gives for ``step`` of 100."""
    algorithm: Any = object.__new__(AlgorithmBase)
    algorithm.args = Namespace(unsup_ramp=ramp)
    algorithm.unsup_warm_up = warm_up
    return step / (algorithm.unsup_warm_up * 100)


@pytest.mark.parametrize("name", RAMPING)
def test_the_default_is_the_hosts_linear_ramp_bit_for_bit(tmp_path: Path, name: str) -> None:
    ours = parameters_of(train_tiny(name, tmp_path / "ours"))
    with undone("consistency_ramp"):
        hosts = parameters_of(train_tiny(name, tmp_path / "hosts"))
    assert all(torch.equal(hosts[key], tensor) for key, tensor in ours.items())


def test_a_linear_ramp_stays_the_plain_number() -> None:
    algorithm: Any = object.__new__(AlgorithmBase)
    algorithm.unsup_warm_up = 0.25
    assert type(algorithm.unsup_warm_up) is float


@pytest.mark.parametrize(("step", "share"), [(0, 0.0), (10, 0.25), (20, 0.5), (40, 1.0), (90, 1.0)])
def test_a_sigmoid_ramp_is_that_of_the_paper(step: int, share: float) -> None:
    assert weight(step, 0.4, "sigmoid") == pytest.approx(math.exp(-5 * (1 - share) ** 2))


def test_a_ramp_of_no_length_is_full_weight_in_both_shapes() -> None:
    assert weight(0, 0, "sigmoid") == 1.0
    assert weight(0, 0.0, "linear") == 1.0


@pytest.mark.parametrize("name", RAMPING)
def test_every_algorithm_that_warms_up_takes_the_sigmoid(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def half(share: float) -> float:
        asked.append(share)
        return 0.5

    monkeypatch.setitem(RAMPS, "sigmoid", half)
    train_tiny(name, tmp_path, unsup_ramp="sigmoid", unsup_warm_up=0.4, num_train_iter=2, epoch=1)
    assert asked[:2] == pytest.approx([0.0, 1 / 0.8])


def test_the_losses_of_a_step_add_up_with_the_sigmoid(tmp_path: Path) -> None:
    algorithm = build_tiny("pimodel", tmp_path, unsup_ramp="sigmoid", unsup_warm_up=0.4, ulb_loss_ratio=20.0)
    algorithm.train()
    log = algorithm.log_dict
    expected = log["train/sup_loss"] + 20.0 * log["train/unsup_loss"]
    assert log["train/total_loss"] == pytest.approx(expected, rel=1e-5)


def test_an_unknown_ramp_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^unknown unsup_ramp 'sigmoyd'; did you mean 'sigmoid'\?$"):
        weight(0, 0.4, "sigmoyd")


def test_the_key_offers_what_the_option_knows() -> None:
    key = own_key("unsup_ramp")
    assert key is not None
    assert key.choices == tuple(RAMPS)
