"""The order in which a batch is mixed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from semilearn.algorithms.utils import ops
from torch import Tensor

from usb_negsamp.host.patching import undone


def _mixed(alpha: float, is_bias: bool) -> tuple[Tensor, Tensor, float]:
    torch.manual_seed(0)
    np.random.seed(0)
    images, labels = torch.randn(6, 3, 2, 2), torch.randn(6, 4).softmax(1).requires_grad_()
    mixed: tuple[Tensor, Tensor, float] = ops.mixup_one_target(images, labels, alpha, is_bias)
    return mixed


@pytest.mark.parametrize("alpha", [0.0, 0.75])
@pytest.mark.parametrize("is_bias", [False, True])
def test_what_is_mixed_is_the_hosts_to_the_bit(alpha: float, is_bias: bool) -> None:
    ours = _mixed(alpha, is_bias)
    with undone("mixing_order"):
        hosts = _mixed(alpha, is_bias)
    assert torch.equal(ours[0], hosts[0])
    assert torch.equal(ours[1], hosts[1])
    assert ours[2] == hosts[2]
    assert not ours[1].requires_grad


def test_the_order_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    copies: list[tuple[Any, Any]] = []
    drawn = torch.randperm

    def randperm(number: int, pin_memory: bool = False) -> Tensor:
        class Order(Tensor):
            def to(self, device: Any, non_blocking: bool = False) -> Any:  # type: ignore[override]
                copies.append((pin_memory, non_blocking))
                return drawn(number)

        return drawn(number).as_subclass(Order)

    class OnGPU(Tensor):
        is_cuda = True

    monkeypatch.setattr(torch, "randperm", randperm)
    images = torch.randn(4, 3).as_subclass(OnGPU)
    ops.mixup_one_target(images, images)
    assert copies == [(True, True)]
    with undone("mixing_order"):
        ops.mixup_one_target(images, images)
    assert copies == [(True, True), (False, False)]
