"""Copies of batches to the device that the host does not wait for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def on_device(value: Any, device: torch.device) -> Any:
    """``value``, a tensor or a dictionary of tensors, on ``device``; to a GPU it goes from pinned memory.

    >>> on_device({"input_ids": torch.ones(2)}, torch.device("cpu"))
    {'input_ids': tensor([1., 1.])}
    """
    if isinstance(value, dict):
        return {key: on_device(item, device) for key, item in value.items()}
    return (pinned(value) if device.type == "cuda" else value).to(device, non_blocking=True)


def pinned(value: Tensor) -> Tensor:
    """``value`` where a GPU can fetch it, a copy in pinned memory if need be.

    From memory that is not pinned a copy would wait for all that the GPU was given before.
    """
    return value if value.device.type != "cpu" or value.is_pinned() else value.pin_memory()
