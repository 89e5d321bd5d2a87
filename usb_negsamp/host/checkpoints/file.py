"""Reading and writing a checkpoint: whole or not at all, and free of code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from usb_negsamp.atomic_write import replacing
from usb_negsamp.host.checkpoints.form import check_form
from usb_negsamp.tensor_file import read_tensors


def plain(value: Any) -> Any:
    """``value`` with numpy scalars and arrays turned into what ``torch.load(weights_only=True)`` accepts.

    >>> plain({"acc": np.float64(0.5)})
    {'acc': 0.5}
    """
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, dict):
        return type(value)((key, plain(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(plain(item) for item in value)
    return value


def write_checkpoint(checkpoint: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write ``checkpoint``: ``path``, whose folder is made, is the old file or the new one, never half."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        torch.save(plain(checkpoint), file)


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint of the host or of ours, on the CPU, executing nothing from it.

    Raises:
        ConfigError: no such file, not a checkpoint, or one with an entry of another kind than it has to be.
    """
    checkpoint: dict[str, Any] = read_tensors(path)
    check_form(checkpoint, os.fspath(path))
    return checkpoint


def unwrapped_state(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """``state`` with its names as ``model`` has them: a leading ``module.`` (parallel wrappers) is added or removed."""
    wrapped = next(iter(model.state_dict())).startswith("module.")
    bare = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    return {f"module.{name}": tensor for name, tensor in bare.items()} if wrapped else bare
