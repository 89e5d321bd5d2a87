"""FlexMatch's thresholds without a copy to the host."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from semilearn.algorithms.flexmatch.utils import FlexMatchThresholdingHook
from torch import Tensor

from usb_negsamp.host.patching import undone
from usb_negsamp.testing import parameters_of, train_tiny


def _masks(warm_up: bool, scale: float) -> list[Tensor]:
    """What twelve batches of 8 of 40 images give, and what is kept in the end."""
    torch.manual_seed(0)
    hook: Any = FlexMatchThresholdingHook(ulb_dest_len=40, num_classes=3, thresh_warmup=warm_up)
    algorithm = SimpleNamespace(p_cutoff=0.7)
    found = []
    for _ in range(12):
        probs = (scale * torch.randn(8, 3)).softmax(1)
        found.append(hook.masking(algorithm, probs, torch.randperm(40)[:8], softmax_x_ulb=False))
    return [*found, hook.selected_label, hook.classwise_acc]


@pytest.mark.parametrize("warm_up", [True, False])
@pytest.mark.parametrize("scale", [0.1, 2.0, 10.0])
def test_masks_are_the_hosts_to_the_bit(warm_up: bool, scale: float) -> None:
    ours = _masks(warm_up, scale)
    with undone("flexmatch_on_device"):
        hosts = _masks(warm_up, scale)
    assert all(torch.equal(one, other) for one, other in zip(ours, hosts, strict=True))


def test_an_image_that_comes_twice_keeps_its_confident_label() -> None:
    hook: Any = FlexMatchThresholdingHook(ulb_dest_len=4, num_classes=2)
    probs = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    hook.masking(SimpleNamespace(p_cutoff=0.8), probs, torch.tensor([2, 2]), softmax_x_ulb=False)
    assert hook.selected_label.tolist() == [-1, -1, 0, -1]


def test_logits_are_made_probabilities_by_the_algorithm() -> None:
    hook: Any = FlexMatchThresholdingHook(ulb_dest_len=4, num_classes=2)
    algorithm = SimpleNamespace(p_cutoff=0.8, compute_prob=lambda logits: logits.softmax(1))
    hook.masking(algorithm, torch.tensor([[0.0, 5.0], [0.0, 0.1]]), torch.tensor([0, 1]))
    assert hook.selected_label.tolist() == [1, -1, -1, -1]
    assert Counter(hook.classwise_acc.tolist()) == {0.0: 1, torch.tensor(1 / 3).item(): 1}


def test_the_run_is_the_hosts_to_the_bit(tmp_path: Path) -> None:
    keys = {"p_cutoff": 0.3, "num_train_iter": 20}
    ours = parameters_of(train_tiny("flexmatch", tmp_path / "ours", **keys))
    with undone("flexmatch_on_device"):
        host = parameters_of(train_tiny("flexmatch", tmp_path / "host", **keys))
    assert all(torch.equal(ours[name], tensor) for name, tensor in host.items())
