"""Any image model of timm, with the host's network contract: ``net: timm:NAME``."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import timm
import torch

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.nets.contract import ContractNet, GroupMatcher, linear_classifier
from usb_negsamp.nets.pretrained import load_pretrained


class TimmNet(ContractNet):
    """A timm model without its head, and a linear classifier on its pooled features.

    ``extract`` gives timm's own ``forward_features``: (N, C, h, w) or (N, h, w, C) for networks with positions,
    (N, tokens, C) for transformers; ``pool`` is the rest of timm's head, whatever it is.
    """

    def __init__(self, trunk: Any, num_classes: int) -> None:
        """Put a classifier for ``num_classes`` behind ``trunk``, a timm model built with ``num_classes=0``."""
        super().__init__()
        self.trunk = trunk
        self.num_features = int(getattr(trunk, "head_hidden_size", None) or trunk.num_features)
        self.classifier = linear_classifier(self.num_features, num_classes)

    def extract(self, x: torch.Tensor) -> torch.Tensor:
        """Return timm's feature map of images (N, 3, H, W)."""
        feature_map: torch.Tensor = self.trunk.forward_features(x)
        return feature_map

    def pool(self, feature_map: torch.Tensor) -> torch.Tensor:
        """Return the features (N, num_features)."""
        features: torch.Tensor = self.trunk.forward_head(feature_map, pre_logits=True)
        return features

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> GroupMatcher:
        """Return timm's own groups, for the parameter names as they are here, behind ``prefix``."""
        if not hasattr(self.trunk, "group_matcher"):
            return super().group_matcher(coarse=coarse, prefix=prefix)
        matcher = self.trunk.group_matcher(coarse=coarse)
        return prefixed_matcher(matcher, f"{prefix}trunk.")

    def no_weight_decay(self) -> list[str]:
        """Return biases, the scales of normalizations, and what timm names (position embeddings, tokens)."""
        names = self.trunk.no_weight_decay() if hasattr(self.trunk, "no_weight_decay") else ()
        spared = {f"trunk.{name}" for name in names} | set(super().no_weight_decay())
        return [name for name, _ in self.named_parameters() if name in spared]


def timm_builder(name: str) -> Callable[..., TimmNet]:
    """Return a builder with the host's signature for timm's model ``name`` (``resnet18``, ``vit_tiny_patch16_224``).

    The builder takes ``num_classes``, ``pretrained``, ``pretrained_path`` and any keyword of the timm model;
    ``img_size`` is passed on where the model takes one (transformers) and has no effect where images of any size do.

    Raises:
        ConfigError: timm has no such model (the message names the nearest one), or it does not classify.
    """
    if not timm.is_model(name):
        raise unknown("timm model", name, timm.list_models())
    if name.partition(".")[0].endswith("_enc"):
        raise ConfigError(f"timm model {name} is an encoder of image tokens, it has no features for a classifier")
    return functools.partial(build_timm_net, name)


def build_timm_net(
    name: str, num_classes: int = 10, pretrained: bool = False, pretrained_path: str | None = None, **kwargs: Any
) -> TimmNet:
    """Build timm's model ``name`` with a new classifier.

    Args:
        name: timm's name of it.
        num_classes: number of classes K.
        pretrained: start from ``pretrained_path``, or, without it, from the weights that timm publishes.
        pretrained_path: the host's checkpoint of such a network, or a state dict of the timm model.
        kwargs: keywords of the timm model, e.g. ``img_size``, ``drop_path_rate``.

    Raises:
        ConfigError: weights that do not exist, or cannot be downloaded, or are of another network.
    """
    from_hub = pretrained and not pretrained_path
    if from_hub and not timm.is_model_pretrained(name):
        raise ConfigError(f"timm has no weights for {name}: give pretrain_path, or set use_pretrain to False")
    try:
        trunk = _create(name, from_hub, kwargs)
    except TypeError:
        raise
    except Exception as error:  # downloads fail with errors of three different packages
        if not from_hub:
            raise
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"cannot load timm's weights for {name} ({reason}): connect to the network, or give pretrain_path"
        ) from error
    net = TimmNet(trunk, num_classes)
    if pretrained and not from_hub:
        load_pretrained(net, pretrained_path)
    return net


def _create(name: str, pretrained: bool, kwargs: dict[str, Any]) -> Any:
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **kwargs)
    except TypeError as error:
        if kwargs.get("img_size") is None or "img_size" not in str(error):
            raise
        kwargs = {key: value for key, value in kwargs.items() if key != "img_size"}
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **kwargs)


def prefixed_matcher(matcher: GroupMatcher, prefix: str) -> GroupMatcher:
    """Return ``matcher`` for parameter names that have ``prefix`` before those it was written for.

    >>> prefixed_matcher({"stem": r"^conv1|bn1", "blocks": [(r"^layer(\\d+)", None)]}, "net.")["blocks"]
    [('^net\\\\.(?:layer(\\\\d+))', None)]
    """
    if callable(matcher):
        inner = matcher
        return lambda name: inner(name.removeprefix(prefix))

    def moved(pattern: str) -> str:
        unanchored = re.sub(r"(?<![\[\\])\^", "", pattern)  # a caret anchors, except after [ or a backslash
        return f"^{re.escape(prefix)}(?:{unanchored})"

    groups: dict[str, Any] = {}
    for group, rule in matcher.items():
        if isinstance(rule, (list, tuple)):
            groups[group] = [(moved(pattern), suffix) for pattern, suffix in rule]
        else:
            groups[group] = None if rule is None else moved(rule)
    return groups
