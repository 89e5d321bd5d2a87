"""Batch statistics of the present weights: the mean over batches, with nothing else of the network in training mode."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from usb_negsamp.host.evaluation import batch_norm
from usb_negsamp.host.evaluation.batch_norm import (
    average_batch_statistics,
    reestimated_batch_norm,
)


@pytest.fixture
def net() -> nn.Sequential:
    """Dropout before a batch norm, and one batch norm without running statistics."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Dropout(0.5), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.BatchNorm1d(3, track_running_stats=False)
    )


@pytest.fixture
def batches() -> list[torch.Tensor]:
    """Two batches of different sizes: each counts the same."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 4, generator=generator) for size in (8, 5)]


def test_the_statistics_are_the_mean_over_the_batches_without_dropout(net, batches):
    generator = torch.get_rng_state()
    average_batch_statistics(net, iter(batches))
    assert torch.equal(torch.get_rng_state(), generator), "dropout drew"
    outputs = [net[1](batch) for batch in batches]
    means, variances = (torch.stack([f(o) for o in outputs]).mean(0) for f in (lambda o: o.mean(0), lambda o: o.var(0)))
    torch.testing.assert_close(net[2].running_mean, means)
    torch.testing.assert_close(net[2].running_var, variances)


def test_modes_and_momenta_are_as_before_also_after_a_failure(net, batches):
    net.train()
    net[1].eval()
    net[2].momentum = 0.3
    average_batch_statistics(net, batches)
    assert [module.training for module in net.modules()] == [True, True, False, True, True]
    with pytest.raises(RuntimeError):
        average_batch_statistics(net, [torch.zeros(2, 7)])
    assert [module.training for module in net.modules()] == [True, True, False, True, True]
    assert (net[2].momentum, net[3].momentum) == (0.3, 0.1)


def test_a_network_without_running_statistics_is_passed_nothing():
    def no_batch():
        raise AssertionError("a batch was asked for")
        yield

    average_batch_statistics(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)), no_batch())


def test_an_evaluation_gives_the_statistics_back(net, batches, monkeypatch):
    algorithm = SimpleNamespace(model=net.eval(), args=SimpleNamespace(bn_batches=2))
    monkeypatch.setattr(batch_norm, "_calibration_batches", lambda algorithm, number: batches[:number])
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with reestimated_batch_norm(algorithm):
        inside = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not torch.equal(inside["2.running_mean"], before["2.running_mean"])
