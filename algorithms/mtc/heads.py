"""The head that tells images of seen classes from others, beside the network's classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from usb_negsamp.nets import Heads

DOMAIN_LOGITS = "domain_logits"
"""Entry of the network's output: the logit (N,) of the probability that an image is of a seen class."""
DOMAIN_THRESHOLD = "domain_threshold"
"""Entry of the network's output: the probability (N,) from which an image is taken for a seen one."""


class DomainHead(Heads):
    """One linear output, and the threshold that was set for it last, which is saved with the network."""

    threshold: Tensor

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.domain = nn.Linear(num_features, 1)
        nn.init.xavier_normal_(self.domain.weight)
        nn.init.zeros_(self.domain.bias)
        self.register_buffer("threshold", torch.tensor(0.5))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return the entries :data:`DOMAIN_LOGITS` and :data:`DOMAIN_THRESHOLD` for features (N, D)."""
        logits: Tensor = self.domain(features).squeeze(1)
        return {DOMAIN_LOGITS: logits, DOMAIN_THRESHOLD: self.threshold.detach().clone().expand(len(features))}
