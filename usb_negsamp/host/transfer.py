"""Copies of batches to the device that the host does not wait for."""

from __future__ import annotations

from typing import Any

import torch


def on_device(value: Any, device: torch.device) -> Any:
    """``value``, a tensor or a dictionary of tensors, on ``device``; to a GPU it goes from pinned memory.

    From memory that is not pinned the copy would wait for all that the GPU was given before.

    >>> on_device({"input_ids": torch.ones(2)}, torch.device("cpu"))
    {'input_ids': tensor([1., 1.])}
    """
    if isinstance(value, dict):
        return {key: on_device(item, device) for key, item in value.items()}
    if device.type == "cuda" and value.device.type == "cpu" and not value.is_pinned():
        value = value.pin_memory()
    return value.to(device, non_blocking=True)
