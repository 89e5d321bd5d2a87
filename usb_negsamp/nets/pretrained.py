"""Weights from a checkpoint that the host saved."""

from __future__ import annotations

import torch

from usb_negsamp.errors import ConfigError
from usb_negsamp.nets.contract import ContractNet
from usb_negsamp.tensor_file import is_plain, read_tensors


def load_pretrained(net: ContractNet, path: str | None) -> None:
    """Fill ``net`` from a file ``{"model": state_dict}`` as the host saves it, all but the classifier.

    A bare state dict will do, and so will the weights of a timm or torchvision model for a network around that model.
    Prefixes that wrappers leave (``module.``, ``backbone.``) are dropped; heads that only an algorithm needs are
    ignored.

    Args:
        net: the network; its classifier stays as it is, since the classes of the checkpoint may be others.
        path: a file or an http(s) address.

    Raises:
        ConfigError: no path, no such file, not a checkpoint, or not of this network.
    """
    name = type(net).__name__
    if not path:
        raise ConfigError(f"{name} has no published weights: give pretrain_path, or set use_pretrain to False")
    state = _read(path)
    state = {key.removeprefix("module.").removeprefix("backbone."): value for key, value in state.items()}
    own = net.state_dict()
    if not own.keys() & state.keys():
        state = {f"trunk.{key}": value for key, value in state.items()}
    wanted = [key for key in own if not key.startswith("classifier.")]
    missing = [key for key in wanted if key not in state]
    if missing:
        raise ConfigError(
            f"{path} is not of {name}: {len(missing)} of {len(wanted)} tensors missing, first {missing[0]}"
        )
    for key in wanted:
        if state[key].shape != own[key].shape:
            shapes = f"{tuple(state[key].shape)} where {tuple(own[key].shape)} is expected"
            raise ConfigError(f"{path} does not fit {name}: {key} has shape {shapes}")
        if state[key].is_floating_point() != own[key].is_floating_point():
            types = f"{state[key].dtype} where {own[key].dtype} is expected"
            raise ConfigError(f"{path} does not fit {name}: {key} is of {types}")
    net.load_state_dict({key: state[key] for key in wanted}, strict=False)


def _read(path: str) -> dict[str, torch.Tensor]:
    checkpoint = read_tensors(path)
    state = checkpoint.get("model", checkpoint) if isinstance(checkpoint, dict) else checkpoint
    named = isinstance(state, dict) and all(isinstance(name, str) for name in state)
    if not named or not all(is_plain(value) for value in state.values()):
        raise ConfigError(f"{path} is no checkpoint: expected {{'model': state_dict}} or a state dict")
    return dict(state)
