"""``lr_schedule``."""

from __future__ import annotations

import math
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from stopped_run import train_stopped_and_resumed

from usb_negsamp.errors import ConfigError
from usb_negsamp.host import AlgorithmBase, ImbAlgorithmBase
from usb_negsamp.host.options.schedule import NAMES, scheduler_of
from usb_negsamp.host.patching import undone
from usb_negsamp.run.configuration.keys import own_key
from usb_negsamp.testing import parameters_of, train_tiny

STEP = {"lr_schedule": "step", "lr_decay_iters": [4, 8], "lr_decay_factor": 0.2, "optim": "Adam"}


def rates(steps: int = 20, **settings: Any) -> list[float]:
    """Learning rates of the first ``steps`` iterations, from 1."""
    args = Namespace(**{"num_train_iter": 20, "num_warmup_iter": 0, **settings})
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = scheduler_of(args, optimizer, None)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_the_default_is_the_hosts_cosine_bit_for_bit(tmp_path: Path) -> None:
    ours = train_tiny("fixmatch", tmp_path / "ours")
    with undone("schedule"):
        hosts = train_tiny("fixmatch", tmp_path / "hosts")
    assert all(torch.equal(parameters_of(hosts)[key], value) for key, value in parameters_of(ours).items())
    assert ours.scheduler.get_last_lr() == pytest.approx([0.01 * math.cos(7 / 16 * math.pi)] * 2)


def test_a_step_schedule_drops_at_each_iteration_of_the_list() -> None:
    seen = rates(12, lr_schedule="step", lr_decay_iters=[4, 8], lr_decay_factor=0.2)
    assert seen == pytest.approx([1.0] * 4 + [0.2] * 4 + [0.04] * 4)


def test_rise_and_fall_is_that_of_300_epochs_of_temporal_ensembling() -> None:
    seen = rates(300, lr_schedule="rise_and_fall", num_train_iter=300)
    expected = [
        math.exp(-5 * (1 - min(epoch, 80) / 80) ** 2) * math.exp(-((0.5 * max(0, epoch - 250)) ** 2) / 50)
        for epoch in range(300)
    ]
    assert seen == pytest.approx(expected)
    assert (seen[0], seen[80], seen[249]) == pytest.approx((math.exp(-5), 1.0, 1.0))


def test_a_single_drop_may_be_a_number_or_a_text_as_a_yaml_file_of_the_host_gives_it() -> None:
    for drop in (4, "4", "4,"):
        assert rates(6, lr_schedule="step", lr_decay_iters=drop) == pytest.approx([1.0] * 4 + [0.2] * 2)


def test_a_constant_rate_is_constant_and_a_cosine_to_zero_ends_at_zero() -> None:
    assert rates(lr_schedule="constant") == [1.0] * 20
    seen = rates(21, lr_schedule="cosine_to_zero")
    assert (seen[0], seen[10], seen[20]) == pytest.approx((1.0, 0.5, 0.0))


def test_every_schedule_follows_the_hosts_warm_up() -> None:
    seen = rates(8, lr_schedule="step", lr_decay_iters=[6], num_warmup_iter=4)
    assert seen == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.2, 0.2])
    assert rates(6, lr_schedule="cosine_to_zero", num_warmup_iter=4)[4] == 1.0


def test_a_run_stopped_between_two_drops_resumes_bit_for_bit(tmp_path: Path) -> None:
    whole = train_tiny("vat", tmp_path / "whole", **STEP)
    assert whole.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.04)

    again = train_stopped_and_resumed("vat", tmp_path / "again", 6, **STEP)
    expected = parameters_of(whole)
    assert all(torch.equal(expected[key], value) for key, value in parameters_of(again).items())


def test_the_imbalanced_algorithms_follow_the_schedule_too(tmp_path: Path) -> None:
    assert ImbAlgorithmBase.set_optimizer is not AlgorithmBase.set_optimizer
    algorithm = train_tiny("fixmatch", tmp_path, imb_algorithm="darp", lb_imb_ratio=1, ulb_imb_ratio=1, **STEP)
    assert algorithm.optimizer.param_groups[0]["lr"] == pytest.approx(0.01 * 0.04)


def test_bad_schedules_are_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^unknown lr_schedule 'cosin'; did you mean 'cosine'\?$"):
        rates(lr_schedule="cosin")
    with pytest.raises(ConfigError, match=r"^lr_schedule: step needs lr_decay_iters"):
        rates(lr_schedule="step")


def test_the_key_offers_what_the_option_knows() -> None:
    key = own_key("lr_schedule")
    assert key is not None
    assert key.choices == NAMES
