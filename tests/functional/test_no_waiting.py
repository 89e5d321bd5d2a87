"""What runs at every training step must not wait for the device: it may not read a value from a tensor."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

from usb_negsamp.functional import (
    ErrorPerception,
    density_ratio_gate,
    hard_mask,
    neighbor_gate,
    ns3l_loss,
    one_vs_all_loss,
    open_consistency,
    open_entropy,
    open_targets,
    oracle_negatives,
    pseudo_negative_labels,
    pseudo_negative_loss,
    soft_mask,
    threshold_negatives,
    uniform_negatives,
)


def test_a_step_reads_no_value_forward_or_backward() -> None:
    # Fake tensors have shapes and no values: .item(), a branch on a value and boolean indexing raise.
    with FakeTensorMode():
        logits = torch.randn(448, 10, requires_grad=True)
        labels = logits.detach().argmax(1)
        perception = ErrorPerception(10)
        perception.update(logits, labels)
        drawn = pseudo_negative_labels(labels, 10, 3, perception.weights())
        masks = (
            threshold_negatives(logits.detach().softmax(1), 0.04),
            uniform_negatives(448, 10, 3),
            oracle_negatives(labels, 10, 3),
            pseudo_negative_labels(labels, 10, 3),
            drawn,
        )
        for mask in masks:
            (ns3l_loss(logits, mask) + pseudo_negative_loss(logits, mask)).backward()
        weights = neighbor_gate(torch.randn(448, 128), torch.randn(60, 128))
        ns3l_loss(logits, masks[0], weights=weights).backward()
        density_ratio_gate(torch.randn(448, 128), torch.randn(60, 128), torch.randn(60, 128), places=labels)
        pairs = torch.randn(448, 20, requires_grad=True)
        (one_vs_all_loss(pairs, labels) + open_entropy(pairs) + open_consistency(pairs, pairs * 2)).backward()
        open_targets(logits.detach().softmax(1), logits.detach().sigmoid())
        scores = torch.rand(30, 20, requires_grad=True)
        (hard_mask(scores, 0.7) + soft_mask(scores)).sum().backward()
        assert logits.grad is not None
        assert scores.grad is not None


def test_reading_a_value_would_be_noticed() -> None:
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        torch.randn(3).sum().item()
    with FakeTensorMode():
        x = torch.randn(3)
        with pytest.raises((DynamicOutputShapeException, DataDependentOutputException)):
            x[x > 0]
