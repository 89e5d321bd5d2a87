"""SimMatch in bfloat16."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from usb_negsamp.host.patching import undone
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny


@pytest.mark.parametrize("averaged_teacher", [True, False])
def test_a_run_in_bfloat16_reaches_its_end(averaged_teacher: bool, tmp_path: Path) -> None:
    algorithm = build_tiny("simmatch", tmp_path, amp=True)
    algorithm.use_ema_teacher, algorithm.ema_bank = averaged_teacher, 0.7
    algorithm.train()
    assert algorithm.mem_bank.dtype == torch.float32
    assert all(tensor.isfinite().all() for tensor in parameters_of(algorithm).values())


def test_the_hosts_ends_in_its_first_step(tmp_path: Path) -> None:
    with undone("simmatch_precision"), pytest.raises(RuntimeError, match="dtype"):
        train_tiny("simmatch", tmp_path, amp=True)


def test_in_float32_nothing_changes(tmp_path: Path) -> None:
    ours = parameters_of(train_tiny("simmatch", tmp_path / "ours"))
    with undone("simmatch_precision"):
        host = parameters_of(train_tiny("simmatch", tmp_path / "host"))
    assert all(torch.equal(ours[name], tensor) for name, tensor in host.items())
