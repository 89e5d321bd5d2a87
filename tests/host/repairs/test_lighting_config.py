"""The host's interface for notebooks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import semilearn
import torch
from torch import nn

from usb_negsamp.host import device
from usb_negsamp.host.patching import undone

CONFIG = {"algorithm": "fixmatch", "save_name": "notebook", "seed": 1}


def _trainer(tmp_path: Path) -> Any:
    config = SimpleNamespace(gpu=None, save_dir=str(tmp_path), save_name="lighting")
    algorithm = SimpleNamespace(model=nn.Linear(2, 2), ema_model=nn.Linear(2, 2), gpu=None, args=config)
    return semilearn.Trainer(config, algorithm)


def test_host_s_arguments_do_not_do_for_its_algorithms() -> None:
    with undone("lighting_config"):
        args = semilearn.get_config(dict(CONFIG))
    assert not (hasattr(args, "distributed") and hasattr(args, "amp"))


def test_arguments_are_complete() -> None:
    args = semilearn.get_config(dict(CONFIG))
    assert args.distributed is False
    assert args.amp is False
    assert args.use_amp is False
    assert args.own_loaders is True
    assert args.T == 0.5


@pytest.mark.parametrize("name", ["amp", "use_amp"])
def test_either_name_switches_mixed_precision_on(name: str) -> None:
    args = semilearn.get_config({**CONFIG, name: True})
    assert args.amp is True
    assert args.use_amp is True


def test_what_the_user_gives_stays() -> None:
    assert semilearn.get_config({**CONFIG, "distributed": True}).distributed is True
    assert semilearn.get_config({**CONFIG, "world_size": 2}).distributed is True


def test_host_s_trainer_wants_a_gpu_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for owner, name, value in device._ORIGINALS:
        monkeypatch.setattr(owner, name, value)
    with undone("lighting_config"), pytest.raises((ValueError, AssertionError, RuntimeError)):
        _trainer(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="for machines without a GPU")
def test_trainer_takes_the_cpu_where_there_is_no_gpu(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    assert trainer.algorithm.model.weight.device.type == "cpu"
    assert (tmp_path / "lighting" / "log.txt").exists()


@pytest.mark.gpu
def test_trainer_takes_the_first_gpu_and_moves_both_networks(tmp_path: Path) -> None:
    device.select("cuda")
    try:
        trainer = _trainer(tmp_path)
    finally:
        device.select("cpu")
    assert trainer.config.gpu == 0
    assert trainer.algorithm.model.weight.device.type == "cuda"
    assert trainer.algorithm.ema_model.weight.device.type == "cuda"
