"""Images of one of the host's data sets without augmentation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.host.datasets.batches.marks import is_of_host
from usb_negsamp.host.datasets.batches.recipes import recipe


def plain_images(dataset: Any, transform: Any, indices: Iterable[int]) -> torch.Tensor:
    """Images (N, C, H, W) of one of the host's data sets under ``transform``, the one for evaluation usually."""
    indices = list(indices)
    known = recipe(transform, dataset.data) if is_of_host(dataset) else None
    if known is not None and not known.draws:
        return known(dataset.data[np.asarray(indices)], KeyedDraws(()))
    samples = (dataset.__sample__(index)[0] for index in indices)
    return torch.stack([transform(Image.fromarray(s) if isinstance(s, np.ndarray) else s) for s in samples])
