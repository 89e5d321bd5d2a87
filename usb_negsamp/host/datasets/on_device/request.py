"""What the host hands over for a batch whose views are made on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.data.views.on_device.parcel import Parcel, Slot
from usb_negsamp.data.views.on_device.parts import Part
from usb_negsamp.host.datasets.batches.marks import Sketch, sketch
from usb_negsamp.host.datasets.batches.recipes import recipe
from usb_negsamp.host.datasets.batches.turned import is_of_turned_views


@dataclass(frozen=True)
class Request:
    """A batch, drawn and not yet made.

    Attributes:
        batch: its entries, with marks in the places of views.
        drawn: for each view what each part of its transform has drawn.
        quarters: by how many quarters (N,) a view is turned; None where none is.
        indices: which of the stored images (N,).
        packed: the numbers that ``drawn``, ``quarters`` and ``indices`` name.
        images: the stored images themselves, where they do not lie on the device.
    """

    batch: Sketch
    drawn: tuple[tuple[Any, ...], ...]
    quarters: Slot | None
    indices: Slot
    packed: Tensor
    images: Tensor | None

    def pin_memory(self) -> Request:
        """The same in pinned memory, from which copies are not waited for. The loader calls it."""
        entries = {
            name: value.pin_memory() if isinstance(value, Tensor) else value
            for name, value in self.batch.entries.items()
        }
        images = None if self.images is None else self.images.pin_memory()
        batch = self.batch._replace(entries=entries)
        return replace(self, batch=batch, packed=self.packed.pin_memory(), images=images)


def parts_of(dataset: Any, calls: Sequence[str]) -> list[tuple[Part, ...]]:
    """For each of ``calls`` the parts of the transform that it names; all can be made on a device."""
    found = []
    for name in calls:
        known = recipe(getattr(dataset, name), dataset.data)
        assert known is not None
        assert known.on_device is not None
        found.append(known.on_device)
    return found


def batch_of(dataset: Any, indices: Sequence[int]) -> Sketch:
    """What a batch holds, and which views it needs."""
    if is_of_turned_views(dataset):
        return Sketch({}, ("transform",), is_turned=False)
    return sketch(dataset, indices)


def drawn_request(dataset: Any, indices: Sequence[int], keys: Sequence[int], with_images: bool) -> Request:
    """Draw a batch.

    Args:
        dataset: one of those that :func:`~usb_negsamp.host.datasets.on_device.refusal.reason` has nothing against.
        indices: which of its samples.
        keys: a seed for each sample's draws.
        with_images: whether the stored images go with it.
    """
    batch = batch_of(dataset, indices)
    parcel, draws = Parcel(), KeyedDraws(keys)
    drawn, quarters = [], None
    for parts in parts_of(dataset, batch.calls):
        drawn.append(tuple(part.draw(draws, parcel) for part in parts))
        if batch.is_turned and quarters is None:
            quarters = parcel.add(draws.quarters())
    places = np.asarray(indices)
    slot = parcel.add(places)
    images = torch.as_tensor(dataset.data[places]) if with_images else None
    return Request(batch, tuple(drawn), quarters, slot, parcel.packed(), images)
