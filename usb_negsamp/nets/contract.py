"""What the host asks of a network, once for all of ours.

``forward(x)`` gives ``{"logits": (N, K), "feat": (N, num_features)}``; ``only_feat=True`` gives the features alone, and
``only_fc=True`` takes features and gives logits. ``extract`` gives the feature map before pooling; ``group_matcher``
serves layer-wise learning rates and ``no_weight_decay`` the weight decay.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import nn

GroupMatcher = dict[str, Any] | Callable[[str], Any]
"""Parameter names to ordinals of layer groups, as timm and the host read it."""


class ContractNet(nn.Module, ABC):
    """A network that the host can train: a feature map, a pooling and a classifier.

    Attributes:
        num_features: length of a feature vector.
        classifier: features to logits.
        evaluated_channels_last: whether images of an evaluation are laid out channels last on a CPU, where that is
            faster; numbers are the same up to the rounding of one pass.
    """

    num_features: int
    classifier: nn.Module
    evaluated_channels_last: ClassVar[bool] = False

    @abstractmethod
    def extract(self, x: torch.Tensor) -> torch.Tensor:
        """Return the feature map of images ``x`` (N, 3, H, W)."""

    def pool(self, feature_map: torch.Tensor) -> torch.Tensor:
        """Return the features (N, num_features) of a feature map (N, num_features, h, w): its mean over positions."""
        return feature_map.mean(dim=(2, 3))

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features (N, num_features) of images ``x`` (N, 3, H, W)."""
        return self.pool(self.extract(x))

    def forward(self, x: torch.Tensor, only_fc: bool = False, only_feat: bool = False, **kwargs: Any) -> Any:
        """Return logits and features, or one of them.

        Args:
            x: images (N, 3, H, W); with ``only_fc``, features (N, num_features).
            only_fc: return the logits of the features ``x``.
            only_feat: return the features of the images ``x``.
            kwargs: not used; the host's algorithms pass options of other networks.
        """
        if only_fc:
            return self.classifier(x)
        feat = self.features(x)
        if only_feat:
            return feat
        return {"logits": self.classifier(feat), "feat": feat}

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> GroupMatcher:
        """Return the groups of parameters that share a learning rate, from the input to the output.

        Args:
            coarse: one group for each child of the network; otherwise sequences are opened once more.
            prefix: what the parameter names begin with where this network is part of a larger module.
        """
        groups = child_groups(self, coarse=coarse, prefix=prefix)
        return {path: pattern for path, pattern in groups.items() if path != "classifier"}

    def no_weight_decay(self) -> list[str]:
        """Return the names of parameters without weight decay: biases and the scales of normalizations."""
        return [name for name, parameter in self.named_parameters() if parameter.ndim <= 1]


def child_groups(net: nn.Module, *, coarse: bool, prefix: str) -> dict[str, str]:
    """Return one pattern for each child of ``net`` that has parameters, in order.

    Sequences are opened one level unless ``coarse``. What no pattern matches, the host puts in a group of its own after
    all others, which is where a classifier belongs.
    """
    groups: dict[str, str] = {}
    own = [re.escape(name) for name, _ in net.named_parameters(recurse=False)]
    if own:
        groups["stem"] = rf"^{re.escape(prefix)}(?:{'|'.join(own)})$"
    for name, child in net.named_children():
        opened = isinstance(child, nn.Sequential) and not coarse
        parts = [(f"{name}.{part}", module) for part, module in child.named_children()] if opened else [(name, child)]
        for path, module in parts:
            if next(module.parameters(), None) is not None:
                groups[path] = rf"^{re.escape(prefix + path)}\."
    return groups


def linear_classifier(num_features: int, num_classes: int) -> nn.Linear:
    """Return a linear layer with Xavier-normal weights and zero bias, as the host's networks start theirs."""
    classifier = nn.Linear(num_features, num_classes)
    nn.init.xavier_normal_(classifier.weight)
    nn.init.zeros_(classifier.bias)
    return classifier
