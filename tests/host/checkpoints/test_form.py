"""An entry of a checkpoint that is of another kind than it has to be is one line, before anything is loaded."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from altered_copy import ABSENT, altered

from usb_negsamp import ConfigError
from usb_negsamp.host.checkpoints.file import read_checkpoint, write_checkpoint
from usb_negsamp.host.checkpoints.form import check_form

RIGHT: dict[str, Any] = {
    "model": {"weight": torch.ones(2)},
    "ema_model": {"weight": torch.ones(2)},
    "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"params": [0], "lr": 0.1}]},
    "scheduler": {"last_epoch": 3},
    "loss_scaler": {},
    "it": 3,
    "epoch": 1,
    "best_it": 0,
    "best_eval_acc": 0.5,
    "run_state": {
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": None,
        "python_rng": [3, list(random.getstate()[1]), None],
        "numpy_rng": [torch.arange(624), 5, 0, 0.0],
        "hooks": {"MaskingHook": {"time_p": torch.tensor(0.1), "m": 0.9}},
    },
    "p_model": torch.ones(3),
}
SCALER = {
    "scale": 65536.0,
    "growth_factor": 2.0,
    "backoff_factor": 0.5,
    "growth_interval": 2000,
    "_growth_tracker": 0,
}

WRONG: list[tuple[str, Any, str]] = [
    ("model", ABSENT, ": expected a checkpoint of a training run, which has an entry 'model', but got a dict of"),
    ("model", 3, ": model: expected tensors by their names, but got 3"),
    ("model", {0: torch.ones(2)}, ": model: expected tensors by their names, but got a dict of 1 entry"),
    ("model/weight", "abc", ": model: expected tensors by their names"),
    ("ema_model", [torch.ones(2)], ": ema_model: expected tensors by their names, but got a list of 1 entry"),
    ("ema_model/weight", torch.ones(2).to_sparse(), ": ema_model: expected tensors by their names"),
    ("optimizer", None, ": optimizer: expected the state of an optimizer, but got nothing"),
    ("optimizer/state", [], ": optimizer: expected the state of an optimizer, but got a dict of 2 entries"),
    ("optimizer/state", ABSENT, ": optimizer: expected the state of an optimizer, but got a dict of 1 entry"),
    ("optimizer/state/0", torch.ones(2), ": optimizer: expected"),
    ("optimizer/param_groups", ABSENT, ": optimizer: expected"),
    ("optimizer/param_groups/0", 3, ": optimizer: expected"),
    ("optimizer/param_groups/0/params", ["weight"], ": optimizer: expected"),
    ("scheduler", "cosine", ": scheduler: expected the state of a schedule, but got 'cosine'"),
    ("loss_scaler", 3, ": loss_scaler: expected the state of a loss scaler, but got 3"),
    ("loss_scaler", {"scale": 2.0}, ": loss_scaler: expected the state of a loss scaler, but got a dict of 1 entry"),
    ("loss_scaler", {**SCALER, "scale": torch.ones(2)}, ": loss_scaler: expected"),
    ("loss_scaler", [1, 2], ": loss_scaler: expected"),
    ("it", "3", ": it: expected a whole number of at least 0, but got '3'"),
    ("it", -1, ": it: expected a whole number of at least 0, but got -1"),
    ("it", True, ": it: expected a whole number of at least 0, but got True"),
    ("it", 3.5, ": it: expected a whole number of at least 0, but got 3.5"),
    ("it", torch.tensor(3), ": it: expected a whole number of at least 0, but got a tensor of no dimension"),
    ("epoch", None, ": epoch: expected a whole number of at least 0, but got nothing"),
    ("best_it", [0], ": best_it: expected"),
    ("best_eval_acc", "best", ": best_eval_acc: expected a finite number, but got 'best'"),
    ("best_eval_acc", float("nan"), ": best_eval_acc: expected a finite number, but got nan"),
    ("run_state", [], ": run_state: expected what a run carries beside its network, but got a list of 0 entries"),
    (
        "run_state/torch_rng",
        ABSENT,
        ": run_state: torch_rng: expected the state of PyTorch's generator",
    ),
    ("run_state/torch_rng", torch.zeros(5), ": run_state: torch_rng: expected"),
    ("run_state/torch_rng", torch.zeros(16, dtype=torch.uint8), ": run_state: torch_rng: expected"),
    ("run_state/cuda_rng", 7, ": run_state: cuda_rng: expected the state of a GPU's generator, or nothing, but got 7"),
    ("run_state/python_rng", "abc", ": run_state: python_rng: expected the state of Python's generator, but got 'abc'"),
    ("run_state/python_rng/0", 9, ": run_state: python_rng: expected"),
    ("run_state/python_rng/1", [1, 2], ": run_state: python_rng: expected"),
    ("run_state/python_rng/1/3", "x", ": run_state: python_rng: expected"),
    ("run_state/numpy_rng", 3, ": run_state: numpy_rng: expected the state of NumPy's generator, but got 3"),
    ("run_state/numpy_rng/0", torch.arange(5), ": run_state: numpy_rng: expected"),
    ("run_state/numpy_rng/0", -torch.arange(624), ": run_state: numpy_rng: expected"),
    ("run_state/numpy_rng/0", torch.rand(624), ": run_state: numpy_rng: expected"),
    ("run_state/numpy_rng/1", 10**6, ": run_state: numpy_rng: expected"),
    ("run_state/numpy_rng/3", "x", ": run_state: numpy_rng: expected"),
    ("run_state/hooks", [], ": run_state: hooks: expected numbers and tensors of hooks, but got a list of 0 entries"),
    ("run_state/hooks", ABSENT, ": run_state: hooks: expected numbers and tensors of hooks, but got nothing"),
    ("run_state/hooks/MaskingHook", 3, ": run_state: hooks: expected"),
    ("run_state/hooks/MaskingHook/m", {"deeper": {}}, ": run_state: hooks: expected"),
]


def test_the_right_one_is_right(tmp_path: Path) -> None:
    write_checkpoint(RIGHT, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth").keys() == RIGHT.keys()
    check_form({**RIGHT, "loss_scaler": SCALER, "aim_run_hash": "abc", "it": np.int64(3)}, "a.pth")
    check_form({"model": {}}, "a.pth")


@pytest.mark.parametrize(("path", "value", "line"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_a_wrong_entry_is_named(path: str, value: Any, line: str, tmp_path: Path) -> None:
    write_checkpoint(altered(RIGHT, path, value), tmp_path / "a.pth")
    with pytest.raises(ConfigError) as caught:
        read_checkpoint(tmp_path / "a.pth")
    assert str(caught.value).startswith(f"{tmp_path / 'a.pth'}{line}")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("path", "value", "line"), WRONG[1:4])
def test_a_wrong_entry_of_a_second_network_is_named(path: str, value: Any, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_form({**RIGHT, "peer": altered(RIGHT, path, value)}, "a.pth")
    assert str(caught.value).startswith(f"a.pth: peer{line}")


@pytest.mark.parametrize("content", [3, [1, 2], {0: 1}, "abc", {"weights": {}}])
def test_what_is_no_checkpoint_at_all_is_named(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(
        ConfigError, match=r"a\.pth: expected a checkpoint of a training run, which has an entry 'model'"
    ):
        read_checkpoint(tmp_path / "a.pth")


def test_looking_at_generators_draws_nothing_from_those_in_use() -> None:
    before = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tobytes()
    check_form(RIGHT, "a.pth")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tobytes())
