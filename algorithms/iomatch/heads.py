"""The projection beside the classifier of the network, and the two heads on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usb_negsamp.functional import known_probs, open_targets
from usb_negsamp.nets import Heads

OVA_LOGITS = "ova_logits"
"""Entry of the network's output: logits (N, 2K) of K pairs (unknown, known)."""
OPEN_LOGITS = "open_logits"
"""Entry of the network's output: logits (N, K + 1) of the seen classes and *unseen*."""


class ProjectedHeads(Heads):
    """A projection of the features, K one-vs-all classifiers without bias on it, and a classifier of K + 1 classes.

    Args:
        num_features: D.
        num_classes: K.
        proj_size: length of the projection.
    """

    def __init__(self, num_features: int, num_classes: int, proj_size: int) -> None:
        super().__init__()
        self.projection = nn.Sequential(
            nn.Linear(num_features, num_features), nn.ReLU(), nn.Linear(num_features, proj_size)
        )
        self.one_vs_all = nn.Linear(proj_size, 2 * num_classes, bias=False)
        self.open_set = nn.Linear(proj_size, num_classes + 1)
        for head in (self.one_vs_all, self.open_set):
            nn.init.xavier_normal_(head.weight)
        nn.init.zeros_(self.open_set.bias)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return the entries :data:`OVA_LOGITS` and :data:`OPEN_LOGITS` for features (N, D)."""
        projected = self.projection(features)
        return {OVA_LOGITS: self.one_vs_all(projected), OPEN_LOGITS: self.open_set(projected)}


@torch.no_grad()
def open_probs(output: dict[str, Tensor]) -> Tensor:
    """The probabilities (N, K + 1) of the seen classes and *unseen*, of the classifier and the one-vs-all heads."""
    return open_targets(output["logits"].float().softmax(1), known_probs(output[OVA_LOGITS]))
