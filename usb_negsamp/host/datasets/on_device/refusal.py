"""What keeps the views of a data set from being made on a device."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from usb_negsamp.host.datasets.batches.marks import is_known
from usb_negsamp.host.datasets.batches.recipes import not_on_device
from usb_negsamp.host.datasets.batches.turned import is_of_turned_views
from usb_negsamp.host.datasets.on_device.request import batch_of


def reason(dataset: Any) -> str | None:
    """What it is, in words that follow "for"; None where all views can be made there."""
    if not (is_of_turned_views(dataset) or is_known(dataset)):
        return f"samples of {type(dataset).__module__}.{type(dataset).__qualname__}"
    if not len(dataset):
        return None
    batch = batch_of(dataset, [0])
    for name in batch.calls:
        part = not_on_device(getattr(dataset, name), dataset.data)
        if part is not None:
            return f"views made by {part}"
    height, width = dataset.data.shape[2:] if isinstance(dataset.data, Tensor) else dataset.data.shape[1:3]
    return "turned views of images that are not square" if batch.is_turned and height != width else None
