"""A step of SequenceMatch."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch
from semilearn.core.criterions import CELoss, ConsistencyLoss

from usb_negsamp.host.patching import undone
from usb_negsamp.host.repairs.sequencematch_features import sequencematch
from usb_negsamp.nets import small_cnn

MODULE: Any = sequencematch()
pytestmark = pytest.mark.skipif(MODULE is None, reason="this host has no SequenceMatch")


def _step() -> tuple[dict[str, Any], dict[str, float]]:
    torch.manual_seed(0)
    algorithm = object.__new__(MODULE.SequenceMatch)
    algorithm.model = small_cnn(num_classes=3)
    algorithm.amp_cm = contextlib.nullcontext
    algorithm.ce_loss, algorithm.consistency_loss = CELoss(), ConsistencyLoss()
    algorithm.lambda_u, algorithm.use_cat, algorithm.hooks_dict = 1.0, True, {}
    algorithm.init(T=0.5, p_cutoff=0.95)
    answers = {"masking": torch.ones(4), "gen_ulb_targets": torch.zeros(4, dtype=torch.long)}
    algorithm.call_hook = lambda name, *args, **kwargs: answers[name]
    x = torch.randn(4, 4, 3, 32, 32)
    return algorithm.train_step(x[0], torch.tensor([0, 1, 2, 0]), torch.arange(4), x[1], x[2], x[3])


def test_host_returns_what_it_never_made() -> None:
    with undone("sequencematch_features"), pytest.raises(NameError, match="feat_dict"):
        _step()


def test_step_runs() -> None:
    out, log = _step()
    assert out["loss"].requires_grad
    assert log["train/util_ratio"] == 1
