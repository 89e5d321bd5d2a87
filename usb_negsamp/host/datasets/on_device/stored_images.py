"""The images of a data set where the views are made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

LARGEST_SHARE = 0.25
"""Of a GPU's memory, which one data set's images may take; a larger one's go there batch by batch."""
IMAGES_AT_ONCE = 4096


def largest_kept(device: torch.device) -> int:
    """Bytes of images that are kept on ``device``: none on the CPU, where they lie already."""
    if device.type != "cuda":
        return 0
    return int(LARGEST_SHARE * torch.cuda.get_device_properties(device).total_memory)


def is_kept(data: Any, most_bytes: int) -> bool:
    """Whether stored images, an array or a tensor, are kept where ``most_bytes`` are."""
    number_of_bytes: int = math.prod(data.shape) * data.dtype.itemsize
    return number_of_bytes <= most_bytes


class StoredImages:
    """Keeps one data set's images on a device, copied when they are first asked for.

    Args:
        device: where.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._source: Any = None
        self._copy = torch.empty(0)

    def of(self, data: Any) -> Tensor:
        """The images of ``data`` on the device; copied anew where these are others than before."""
        if self._source is not data:
            self._copy = torch.empty(data.shape, dtype=_as_tensor(data[:1]).dtype, device=self.device)
            for start in range(0, len(data), IMAGES_AT_ONCE):
                part = slice(start, start + IMAGES_AT_ONCE)
                self._copy[part] = _as_tensor(data[part]).to(self.device)
            self._source = data
        return self._copy


def _as_tensor(part: Any) -> Tensor:
    # Images that lie in a file cannot be written to, of which PyTorch would warn.
    return torch.from_numpy(np.array(part)) if isinstance(part, np.ndarray) else part
