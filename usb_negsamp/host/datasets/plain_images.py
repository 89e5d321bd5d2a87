"""Samples of one of the host's data sets without augmentation, as its network takes them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from PIL import Image

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.host.datasets.batches.marks import is_of_host
from usb_negsamp.host.datasets.batches.recipes import recipe
from usb_negsamp.host.datasets.texts_and_sounds.samples import is_of_texts_or_sounds, plain_inputs


def plain_images(dataset: Any, transform: Any, indices: Iterable[int]) -> Any:
    """Images (N, C, H, W) of one of the host's data sets under ``transform``, the one for evaluation usually.

    Of texts, which no transform is asked of, the dictionary of their tokens (N, L); of sounds their values (N, L).
    """
    indices = list(indices)
    if is_of_texts_or_sounds(dataset):
        return plain_inputs(dataset, indices)
    known = recipe(transform, dataset.data) if is_of_host(dataset) else None
    if known is not None and not known.draws:
        return known(dataset.data[np.asarray(indices)], KeyedDraws(()))
    samples = (dataset.__sample__(index)[0] for index in indices)
    return torch.stack([transform(Image.fromarray(s) if isinstance(s, np.ndarray) else s) for s in samples])
