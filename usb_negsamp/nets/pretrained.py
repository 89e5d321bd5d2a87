"""Weights from a checkpoint that the host saved."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import numpy as np
import torch

from usb_negsamp.errors import ConfigError
from usb_negsamp.nets.contract import ContractNet


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
    net.load_state_dict({key: state[key] for key in wanted}, strict=False)


def _read(path: str) -> dict[str, torch.Tensor]:
    try:
        if path.startswith(("http://", "https://")):
            checkpoint = torch.hub.load_state_dict_from_url(path, map_location="cpu", weights_only=True)
        else:
            with _numpy_scalars_allowed():
                checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ConfigError(f"no file {path} (pretrain_path)") from error
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ConfigError(f"cannot read {path} as a checkpoint: {reason}") from error
    state = checkpoint.get("model", checkpoint) if isinstance(checkpoint, dict) else checkpoint
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ConfigError(f"{path} is no checkpoint: expected {{'model': state_dict}} or a state dict")
    return state


def _numpy_scalars_allowed() -> Any:
    """Let a checkpoint hold the numpy numbers that the host keeps beside the weights (its best accuracy)."""
    safe_globals = getattr(torch.serialization, "safe_globals", None)  # torch >= 2.5
    if safe_globals is None:
        return contextlib.nullcontext()
    number = np.float64(0.0)
    return safe_globals([number.__reduce__()[0], np.dtype, type(number.dtype), type(np.dtype(np.float32))])
