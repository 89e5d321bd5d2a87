"""Equation 6, the outer loss of the paper."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from usb_negsamp.algorithms.spl.steps import equation_6


class Linear(nn.Module):
    """Logits are a linear map of the input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))

    def forward(self, x):
        return {"logits": x @ self.weight.T}


def algorithm_and_batch():
    algorithm = SimpleNamespace(model=Linear(), amp_cm=nullcontext)
    batch = {
        "x_lb": torch.tensor([[1.0, 0.0]]),
        "y_lb": torch.tensor([0]),
        "x_ulb_w": torch.tensor([[0.0, 1.0], [2.0, -1.0]], requires_grad=True),
        "x_ulb_w_1": torch.tensor([[0.5, 1.0], [2.0, 0.0]], requires_grad=True),
    }
    return algorithm, batch


def test_it_is_the_cross_entropy_and_the_squared_distance_summed_over_classes_and_averaged_over_images():
    algorithm, batch = algorithm_and_batch()
    labeled = -torch.tensor([1.0, 0.0, 1.0]).log_softmax(0)[0]
    clean = torch.tensor([[0.0, 1.0, 1.0], [2.0, -1.0, 1.0]]).softmax(1)
    perturbed = torch.tensor([[0.5, 1.0, 1.5], [2.0, 0.0, 2.0]]).softmax(1)
    expected = labeled + ((clean - perturbed) ** 2).sum() / 2
    assert equation_6(algorithm, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_clean_view_is_a_target_that_gets_no_gradient():
    algorithm, batch = algorithm_and_batch()
    equation_6(algorithm, batch).backward()
    assert not batch["x_ulb_w"].grad.any()
    assert batch["x_ulb_w_1"].grad.abs().min() > 0
