"""SoftMatch's averages without Python's numbers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from semilearn.algorithms.softmatch.utils import SoftMatchWeightingHook
from torch import Tensor

from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs.softmatch_on_device import moments_of_classes

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


@given(st.integers(0, 10**6), st.integers(1, 60), st.sampled_from([2, 10, 50]))
def test_the_gpus_formula_has_the_hosts_moments_of_each_class(seed: int, number: int, num_classes: int) -> None:
    torch.manual_seed(seed)
    probs = (2 * torch.randn(number, num_classes, dtype=torch.float64)).softmax(1)
    hook: Any = SoftMatchWeightingHook(num_classes=num_classes, momentum=0.0, per_class=True)
    hook.prob_max_mu_t, hook.prob_max_var_t = hook.prob_max_mu_t.double(), hook.prob_max_var_t.double()
    confidence, labels = hook.update(ALONE, probs)
    mean, variance = moments_of_classes(confidence, labels, num_classes)
    torch.testing.assert_close([mean, variance], [hook.prob_max_mu_t, hook.prob_max_var_t], rtol=1e-10, atol=1e-14)
