"""Any classification model of torchvision, with the host's network contract, for the host's ``net_from_name``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import nn

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.nets.contract import ContractNet, child_groups, linear_classifier
from usb_negsamp.nets.pretrained import load_pretrained


class TorchvisionNet(ContractNet):
    """A torchvision model whose last linear layer is replaced by the identity, and a new linear layer in its place."""

    def __init__(self, trunk: nn.Module, num_classes: int) -> None:
        """Take the last linear layer off ``trunk`` and put a classifier for ``num_classes`` behind it.

        Raises:
            ConfigError: the model does not end in a linear layer (SqueezeNet ends in a convolution).
        """
        super().__init__()
        linear = [(name, module) for name, module in trunk.named_modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise ConfigError(f"{type(trunk).__name__} has no linear layer to take features from; use another network")
        path, last = linear[-1]
        parent, _, child = path.rpartition(".")
        setattr(trunk.get_submodule(parent), child, nn.Identity())
        self.trunk: Any = trunk
        self.num_features = int(last.in_features)
        self.classifier = linear_classifier(self.num_features, num_classes)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features (N, num_features) of images (N, 3, H, W)."""
        features: torch.Tensor = self.trunk(x)
        return features

    def extract(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the model's own pooling takes in, usually (N, C, h, w); the features where it has no pooling."""
        if not isinstance(getattr(self.trunk, "avgpool", None), nn.Module):
            taken_in: torch.Tensor = self.trunk.features(x) if hasattr(self.trunk, "features") else self.trunk(x)
            return taken_in
        seen: list[torch.Tensor] = []
        handle = self.trunk.avgpool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            self.trunk(x)
        finally:
            handle.remove()
        return seen[0]

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> dict[str, str]:
        """Return one group for each child of the model, sequences opened one level unless ``coarse``."""
        return child_groups(self.trunk, coarse=coarse, prefix=f"{prefix}trunk.")


def torchvision_builder(name: str) -> Callable[..., TorchvisionNet]:
    """Return a builder with the host's signature for torchvision's classification model ``name``.

    Raises:
        ConfigError: torchvision has no such model; the message names the nearest one.
    """
    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise unknown("torchvision model", name, names)
    return functools.partial(build_torchvision_net, name)


def build_torchvision_net(
    name: str, num_classes: int = 10, pretrained: bool = False, pretrained_path: str | None = None, **kwargs: Any
) -> TorchvisionNet:
    """Build torchvision's model ``name`` with a new classifier.

    Args:
        name: torchvision's name of it.
        num_classes: number of classes K.
        pretrained: start from ``pretrained_path``, or, without it, from torchvision's default weights.
        pretrained_path: the host's checkpoint of such a network, or a state dict of the torchvision model.
        kwargs: keywords of the torchvision model; ``img_size`` is passed on to vision transformers and has no effect
            where images of any size will do.

    Raises:
        ConfigError: weights that cannot be downloaded or are of another network; a model that does not end in a
            linear layer.
    """
    img_size = kwargs.pop("img_size", None)
    if img_size is not None and name.startswith("vit_"):
        kwargs["image_size"] = img_size
    from_hub = pretrained and not pretrained_path
    try:
        trunk = torchvision.models.get_model(name, weights="DEFAULT" if from_hub else None, **kwargs)
    except OSError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(
            f"cannot load torchvision's weights for {name} ({reason}): connect to the network, or give pretrain_path"
        ) from error
    _drop_auxiliary_heads(trunk)
    net = TorchvisionNet(trunk, num_classes)
    if pretrained and not from_hub:
        load_pretrained(net, pretrained_path)
    return net


def _drop_auxiliary_heads(trunk: Any) -> None:
    """Make GoogLeNet and Inception return one tensor in training mode too."""
    if getattr(trunk, "aux_logits", False):
        trunk.aux_logits = False
        for head in ("aux1", "aux2", "AuxLogits"):
            if hasattr(trunk, head):
                setattr(trunk, head, None)
