"""Images of one of the host's data sets without augmentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image


def plain_images(dataset: Any, transform: Any, indices: Iterable[int]) -> torch.Tensor:
    """Images (N, C, H, W) of one of the host's data sets under ``transform``, the one for evaluation usually."""
    samples = (dataset.__sample__(index)[0] for index in indices)
    return torch.stack([transform(Image.fromarray(s) if isinstance(s, np.ndarray) else s) for s in samples])
