"""The queue of distribution alignment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from semilearn.algorithms.hooks import DistAlignQueueHook
from torch import Tensor

from usb_negsamp.host.patching import undone
from usb_negsamp.testing import parameters_of, train_tiny

ALONE = SimpleNamespace(distributed=False, world_size=1)


def _aligned(target: str, dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    hook: Any = DistAlignQueueHook(num_classes=4, queue_length=3, p_target_type=target)
    found = []
    for _ in range(8):
        probs = torch.randn(2, 6, 4).softmax(2).to(dtype)
        found.append(hook.dist_align(ALONE, probs[0], probs[1]))
    return [*found, hook.p_model, hook.p_model_ptr, hook.p_target]


@pytest.mark.parametrize("target", ["uniform", "model"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_aligned_probabilities_are_the_hosts_to_the_bit(target: str, dtype: torch.dtype) -> None:
    ours = _aligned(target, dtype)
    with undone("dist_align_queue"):
        hosts = _aligned(target, dtype)
    assert all(torch.equal(one, other) for one, other in zip(ours, hosts, strict=True))


def test_the_place_is_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []

    def counted(self: Tensor) -> int:
        fetched.append(self)
        return int(self.tolist()[0])

    monkeypatch.setattr(Tensor, "__int__", counted)
    _aligned("uniform", torch.float32)
    assert fetched == []
    with undone("dist_align_queue"):
        _aligned("uniform", torch.float32)
    assert len(fetched) == 8


def test_the_run_is_the_hosts_to_the_bit(tmp_path: Path) -> None:
    ours = parameters_of(train_tiny("simmatch", tmp_path / "ours"))
    with undone("dist_align_queue"):
        host = parameters_of(train_tiny("simmatch", tmp_path / "host"))
    assert all(torch.equal(ours[name], tensor) for name, tensor in host.items())
