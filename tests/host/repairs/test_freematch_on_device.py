"""FreeMatch without sizes that the host has to wait for."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from semilearn.algorithms.freematch import freematch
from semilearn.algorithms.freematch.utils import FreeMatchThresholdingHook
from semilearn.core.criterions import CELoss, ConsistencyLoss
from torch import Tensor

from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs import freematch_on_device
from usb_negsamp.testing import parameters_of, train_tiny


def _loss_and_gradient(formula: Any, mask: Tensor, logits: Tensor, *averages: Tensor) -> list[Tensor]:
    leaf = logits.clone().requires_grad_()
    loss, mean = formula(mask, leaf, *averages)
    (0.01 * loss).backward()
    assert leaf.grad is not None
    return [loss.detach(), mean.detach(), leaf.grad]


@given(st.integers(0, 10**6), st.integers(1, 300), st.sampled_from([2, 10, 100]), st.floats(0, 1))
def test_the_gpus_formula_has_the_hosts_loss_and_gradient(
    seed: int, number: int, num_classes: int, share: float
) -> None:
    torch.manual_seed(seed)
    mask = (torch.rand(number) < share).double()
    mask[torch.randint(number, (1,))] = 1.0
    logits = 3 * torch.randn(number, num_classes, dtype=torch.float64)
    prob_model, histogram = torch.randn(2, num_classes, dtype=torch.float64).softmax(1)
    histogram[0] = 0.0
    ours = _loss_and_gradient(freematch_on_device.entropy_loss, mask, logits, prob_model, histogram)
    with undone("freematch_on_device"):
        hosts = _loss_and_gradient(freematch.entropy_loss, mask, logits, prob_model, histogram)
    torch.testing.assert_close(ours, hosts, rtol=1e-10, atol=1e-14)
    here = _loss_and_gradient(freematch.entropy_loss, mask, logits, prob_model, histogram)
    assert all(torch.equal(one, other) for one, other in zip(here, hosts, strict=True))


def test_an_empty_mask_gives_a_loss_of_0_and_no_gradient() -> None:
    uniform = torch.full((4,), 0.25)
    formula = freematch_on_device.entropy_loss
    loss, _, gradient = _loss_and_gradient(formula, torch.zeros(6), torch.randn(6, 4), uniform, uniform)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros(6, 4))


@pytest.mark.parametrize("quantile", [False, True])
@pytest.mark.parametrize("clip", [False, True])
def test_averages_and_masks_are_the_hosts_to_the_bit(quantile: bool, clip: bool) -> None:
    def masks() -> list[Tensor]:
        torch.manual_seed(0)
        hook: Any = FreeMatchThresholdingHook(num_classes=5, momentum=0.9)
        algorithm = SimpleNamespace(distributed=False, world_size=1, use_quantile=quantile, clip_thresh=clip)
        found = [hook.masking(algorithm, 4 * torch.randn(16, 5)) for _ in range(6)]
        return [*found, algorithm.p_model, algorithm.label_hist, algorithm.time_p]

    ours = masks()
    with undone("freematch_on_device"):
        hosts = masks()
    assert all(torch.equal(one, other) for one, other in zip(ours, hosts, strict=True))


@pytest.mark.parametrize("amp", [False, True])
def test_the_run_is_the_hosts_to_the_bit(amp: bool, tmp_path: Path) -> None:
    keys = {"amp": amp, "ent_loss_ratio": 0.5, "num_train_iter": 20}
    ours = parameters_of(train_tiny("freematch", tmp_path / "ours", **keys))
    with undone("freematch_on_device"):
        host = parameters_of(train_tiny("freematch", tmp_path / "host", **keys))
    assert all(torch.equal(ours[name], tensor) for name, tensor in host.items())


def test_the_step_does_not_ask_a_mask_of_the_gpu() -> None:
    class Mask(Tensor):
        is_cuda = True

    asked = []

    def entropy_loss(mask: Tensor, logits: Tensor, *averages: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(mask)
        return logits.sum() * 0, logits.mean()

    def step(mask: Tensor) -> None:
        torch.manual_seed(0)
        algorithm: Any = object.__new__(freematch.FreeMatch)
        algorithm.amp_cm, algorithm.use_cat, algorithm.lambda_u, algorithm.lambda_e = nullcontext, True, 1.0, 1.0
        algorithm.model = lambda images: {"logits": images.mean((2, 3)), "feat": images}
        algorithm.ce_loss, algorithm.consistency_loss = CELoss(), ConsistencyLoss()
        algorithm.call_hook = lambda name, *_, **__: mask if name == "masking" else torch.zeros(2, dtype=torch.long)
        algorithm.use_hard_label, algorithm.T, algorithm.p_model, algorithm.label_hist = True, 1.0, None, None
        images = torch.randn(2, 3, 4, 4)
        freematch.FreeMatch.train_step(algorithm, images, torch.zeros(2, dtype=torch.long), images, images)

    original = freematch.entropy_loss
    freematch.entropy_loss = entropy_loss
    try:
        step(torch.zeros(2))
        assert asked == []
        step(torch.zeros(2).as_subclass(Mask))
        assert len(asked) == 1
    finally:
        freematch.entropy_loss = original
