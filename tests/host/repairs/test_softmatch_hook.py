"""SoftMatch's weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from semilearn.algorithms.softmatch.utils import SoftMatchWeightingHook

from usb_negsamp.host.patching import undone

PROBS = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.9, 0.05, 0.05]])
ALONE = SimpleNamespace(distributed=False, world_size=1)
TOGETHER = SimpleNamespace(distributed=True, world_size=2)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone, which gathers as a larger one does."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def _weights(algorithm: SimpleNamespace, per_class: bool = False) -> torch.Tensor:
    hook = SoftMatchWeightingHook(num_classes=3, n_sigma=2, momentum=0.5, per_class=per_class)
    return hook.masking(algorithm, PROBS, softmax_x_ulb=False)


@pytest.mark.usefixtures("group")
def test_host_fails_with_several_processes() -> None:
    with undone("softmatch_hook"), pytest.raises(AttributeError, match="concat_all_gather"):
        _weights(TOGETHER)


def test_host_fails_with_a_gaussian_per_class() -> None:
    with undone("softmatch_hook"), pytest.raises(AttributeError, match="args"):
        _weights(ALONE, per_class=True)


@pytest.mark.usefixtures("group")
def test_several_processes_have_the_weights_of_one() -> None:
    with undone("softmatch_hook"):
        expected = _weights(ALONE)
    assert torch.equal(_weights(ALONE), expected)
    assert torch.equal(_weights(TOGETHER), expected)


def test_each_class_has_its_own_gaussian() -> None:
    hook = SoftMatchWeightingHook(num_classes=3, momentum=0.5, per_class=True)
    assert torch.equal(hook.prob_max_mu_t, torch.full((3,), 1 / 3))
    weights = hook.masking(ALONE, PROBS, softmax_x_ulb=False)
    # Class 0 was predicted at 0.8 and 0.9: its mean moves half-way from 1/3 to 0.85.
    assert hook.prob_max_mu_t[0].item() == pytest.approx((1 / 3 + 0.85) / 2)
    assert weights.shape == (3,)
    assert torch.equal(weights, torch.ones(3))
