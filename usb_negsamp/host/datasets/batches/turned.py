"""Views turned by quarters, of which ReMixMatch and CRMatch learn how an image lies."""

from __future__ import annotations

from typing import Any

import torch
from semilearn.algorithms.crmatch.crmatch import RotNet
from torch import Tensor

from usb_negsamp.data.views.on_device.windows import turned
from usb_negsamp.host.datasets.batches.marks import TURNED_VIEW

LAST_BEFORE_TURNED = "x_ulb_s_1"
"""The entry of ReMixMatch's batch that those follow which are turned."""
QUARTERS = 4


def with_turned_view(batch: dict[str, Any], quarters: Tensor) -> dict[str, Any]:
    """ReMixMatch's ``batch`` with its first strong view turned by ``quarters`` (N,), and these as targets (int64)."""
    result: dict[str, Any] = {}
    for name, value in batch.items():
        result[name] = value
        if name == LAST_BEFORE_TURNED:
            result[f"{TURNED_VIEW}_rot"] = turned(batch[TURNED_VIEW], quarters)
            result["rot_v"] = quarters.long()
    return result


def is_of_turned_views(dataset: Any) -> bool:
    """Whether a data set is that of CRMatch's images in four positions."""
    return type(dataset) is RotNet


def in_four_positions(images: Tensor) -> list[Tensor]:
    """The batch of CRMatch's data set: images (N, C, H, W), those turned by one, two and three quarters, and (N, 4).

    The last holds the numbers of quarters, the targets.
    """
    positions = [images.rot90(number, (2, 3)).contiguous() for number in range(QUARTERS)]
    return [*positions, torch.arange(QUARTERS, device=images.device).repeat(len(images), 1)]
