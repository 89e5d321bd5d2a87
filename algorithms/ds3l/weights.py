"""The network that gives each unlabeled image its weight, of DS3L."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

HIDDEN = 100
"""Width of the hidden layer; the released code's."""


class WeightNet(nn.Module):
    """K probabilities to a weight between 0 and 1: K -> 100 -> 1, ReLU between, a sigmoid at the end.

    Args:
        num_classes: K.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(num_classes, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1), nn.Sigmoid())

    def forward(self, probs: Tensor) -> Tensor:
        """Weights (N,) of images with the probabilities (N, K)."""
        weights: Tensor = self.layers(probs).squeeze(1)
        return weights


class LearnedWeights:
    """The network with its optimizer.

    Args:
        num_classes: K.
        lr: of Adam.
    """

    def __init__(self, num_classes: int, lr: float) -> None:
        self.network = WeightNet(num_classes)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=lr)

    def place(self, device: torch.device) -> None:
        """Move it to where the main network is, before it has taken a step or is loaded."""
        self.network.to(device)

    def learn(self, gradients: list[Tensor]) -> None:
        """One step of Adam by the gradients of its parameters."""
        for parameter, gradient in zip(self.network.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self) -> dict[str, Any]:
        """Its parameters and the optimizer's moments."""
        return {"weights": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        """Go back to what :meth:`state` gave."""
        self.network.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
