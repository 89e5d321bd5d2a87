"""Views turned by quarters, of which ReMixMatch and CRMatch learn how an image lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from semilearn.algorithms.crmatch.crmatch import RotNet
from torch import Tensor

from usb_negsamp.host.datasets.batches.marks import TURNED_VIEW

LAST_BEFORE_TURNED = "x_ulb_s_1"
"""The entry of ReMixMatch's batch that those follow which are turned."""
QUARTERS = 4


def turned(images: Tensor, quarters: np.ndarray) -> Tensor:
    """Images (N, C, S, S), each turned against the clock by its own number of ``quarters`` (N,), as torchvision does.

    >>> turned(torch.arange(4).view(1, 1, 2, 2), np.array([1])).flatten().tolist()
    [1, 3, 0, 2]
    """
    result = images.clone()
    for number in range(1, QUARTERS):
        chosen = torch.from_numpy(np.flatnonzero(quarters == number)).to(images.device)
        result[chosen] = images[chosen].rot90(number, (2, 3))
    return result


def with_turned_view(batch: dict[str, Any], quarters: np.ndarray) -> dict[str, Any]:
    """ReMixMatch's ``batch`` with its first strong view turned by ``quarters`` (N,), and these as targets."""
    result: dict[str, Any] = {}
    for name, value in batch.items():
        result[name] = value
        if name == LAST_BEFORE_TURNED:
            result[f"{TURNED_VIEW}_rot"] = turned(batch[TURNED_VIEW], quarters)
            result["rot_v"] = torch.from_numpy(quarters)
    return result


def is_of_turned_views(dataset: Any) -> bool:
    """Whether a data set is that of CRMatch's images in four positions."""
    return type(dataset) is RotNet


def in_four_positions(images: Tensor) -> list[Tensor]:
    """The batch of CRMatch's data set: images (N, C, H, W), those turned by one, two and three quarters, and (N, 4).

    The last holds the numbers of quarters, the targets.
    """
    positions = [images.rot90(number, (2, 3)).contiguous() for number in range(QUARTERS)]
    return [*positions, torch.arange(QUARTERS).repeat(len(images), 1)]
