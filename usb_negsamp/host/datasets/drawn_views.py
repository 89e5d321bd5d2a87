"""Views of some images, drawn in the training process by keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.host.datasets.batches.marks import is_of_host
from usb_negsamp.host.datasets.batches.recipes import recipe
from usb_negsamp.host.randomness import keyed_randomness


def drawn_views(dataset: Any, transform: Any, indices: Sequence[int], keys: Sequence[int]) -> Tensor:
    """Views (N, C, H, W) of images of one of the host's data sets, each from generators that start from its key.

    Args:
        dataset: where the images are kept; its own transform is not used.
        transform: makes a view.
        indices: (N,) which images.
        keys: (N,) below 2 ** 63.
    """
    known = recipe(transform, dataset.data) if is_of_host(dataset) else None
    if known is not None:
        return known(dataset.data[np.asarray(indices)], KeyedDraws(keys))
    views = []
    for index, key in zip(indices, keys, strict=True):
        image = dataset.__sample__(index)[0]
        with keyed_randomness(key):
            views.append(transform(Image.fromarray(image) if isinstance(image, np.ndarray) else image))
    return torch.stack(views)
