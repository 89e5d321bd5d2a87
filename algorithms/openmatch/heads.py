"""The one-vs-all classifiers beside the classifier of the network."""

from __future__ import annotations

from torch import Tensor, nn

from usb_negsamp.functional import known_probs
from usb_negsamp.nets import Heads

OVA_LOGITS = "ova_logits"
"""Entry of the network's output: logits (N, 2K) of K pairs (unknown, known)."""


class OneVsAllHeads(Heads):
    """K linear classifiers with two outputs each, without bias."""

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__()
        self.one_vs_all = nn.Linear(num_features, 2 * num_classes, bias=False)
        nn.init.xavier_normal_(self.one_vs_all.weight)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Return the entry :data:`OVA_LOGITS` for features (N, D)."""
        return {OVA_LOGITS: self.one_vs_all(features)}


def unknown_probs_of_predictions(output: dict[str, Tensor]) -> Tensor:
    """The probability (N,) that an image is not of the class that the network takes it for."""
    known = known_probs(output[OVA_LOGITS])
    return 1.0 - known.gather(1, output["logits"].argmax(1, keepdim=True)).squeeze(1)
