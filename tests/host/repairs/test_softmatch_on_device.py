"""SoftMatch's averages without Python's numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from semilearn.algorithms.softmatch.utils import SoftMatchWeightingHook
from torch import Tensor

from usb_negsamp.host.patching import undone

ALONE = SimpleNamespace(distributed=False, world_size=1)


def _weights(per_class: bool, dtype: torch.dtype) -> list[Tensor]:
    torch.manual_seed(0)
    hook: Any = SoftMatchWeightingHook(num_classes=5, momentum=0.97, per_class=per_class)
    found = [hook.masking(ALONE, (2 * torch.randn(16, 5)).to(dtype)) for _ in range(100)]
    return [*found, hook.prob_max_mu_t, hook.prob_max_var_t]


@pytest.mark.parametrize("per_class", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_are_the_hosts_to_the_bit(per_class: bool, dtype: torch.dtype) -> None:
    if per_class and dtype == torch.bfloat16:
        pytest.skip("the host's averages of a class are float32")
    ours = _weights(per_class, dtype)
    with undone("softmatch_on_device"):
        hosts = _weights(per_class, dtype)
    assert all(torch.equal(one, other) for one, other in zip(ours, hosts, strict=True))


def test_no_number_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    item = Tensor.item

    def counted(self: Tensor) -> Any:
        reads.append(self)
        return item(self)

    monkeypatch.setattr(Tensor, "item", counted)
    _weights(False, torch.float32)
    assert reads == []
    with undone("softmatch_on_device"):
        _weights(False, torch.float32)
    assert len(reads) == 200
