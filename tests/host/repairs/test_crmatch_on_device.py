"""CRMatch's targets, made where they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from usb_negsamp.host.patching import undone
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

KEYS = {"p_cutoff": 0.2}


def _copies_that_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many copies to the GPU a run of ten steps would wait for."""
    waited: list[bool] = []

    def cuda(self: Tensor, device: Any = None, non_blocking: bool = False) -> Tensor:
        waited.append(not non_blocking)
        return self

    algorithm = build_tiny("crmatch", path, num_eval_iter=10**6, num_log_iter=10**6)
    monkeypatch.setattr(torch.Tensor, "cuda", cuda)
    algorithm.train()
    return sum(waited)


def test_no_target_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _copies_that_wait(tmp_path / "ours", monkeypatch) == 0
    with undone("crmatch_on_device"):
        assert _copies_that_wait(tmp_path / "host", monkeypatch) == 10


def test_the_run_is_the_hosts_to_the_bit(tmp_path: Path) -> None:
    ours = parameters_of(train_tiny("crmatch", tmp_path / "ours", **KEYS))
    with undone("crmatch_on_device"):
        host = parameters_of(train_tiny("crmatch", tmp_path / "host", **KEYS))
    assert all(torch.equal(ours[name], tensor) for name, tensor in host.items())
