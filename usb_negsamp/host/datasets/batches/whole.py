"""Batches of the host's image data sets, their views made of all images at once.

What a batch holds is told by :mod:`usb_negsamp.host.datasets.batches.marks`; then each view is made for the whole
batch. The numbers are those of one sample after the other, bit for bit; what is not known here, another data set, image
or transform, is made so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.host.datasets.batches.marks import TURNED_VIEW, View, is_known, sketch
from usb_negsamp.host.datasets.batches.recipes import Recipe, recipe
from usb_negsamp.host.datasets.batches.turned import in_four_positions, is_of_turned_views, with_turned_view

SECONDS_A_VALUE = 4e-9
"""Of a view, its share in the sample's draws and marks included; measured on images of 32 x 32 pixels."""
SECONDS_A_STRONG_VIEW = 1e-4


class Whole(NamedTuple):
    """A batch that is collated already."""

    batch: Any


def recipes_of(dataset: Any, calls: Sequence[str]) -> list[Recipe] | None:
    """How the views that ``calls`` names are made; None where a transform is not known here."""
    found = [recipe(getattr(dataset, name), dataset.data) for name in calls]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


def seconds_of_a_batch(dataset: Any, batch_size: int) -> float:
    """About how long making a batch takes; infinity where the samples are made one by one, which nothing tells of."""
    if is_of_turned_views(dataset) and len(dataset):
        calls: Sequence[str] = ("transform",)
    elif is_known(dataset) and len(dataset):
        calls = sketch(dataset, [0]).calls
    else:
        return math.inf
    recipes = recipes_of(dataset, calls)
    if recipes is None:
        return math.inf
    of_values: float = SECONDS_A_VALUE * math.prod(dataset.data.shape[1:])
    of_views = sum(of_values + (SECONDS_A_STRONG_VIEW if one.is_strong else 0.0) for one in recipes)
    return float(batch_size * (of_views + getattr(dataset.data, "seconds_an_image", 0.0)))


def whole_batch(dataset: Any, indices: Sequence[int], keys: Sequence[int] | None = None) -> Whole | None:
    """Samples as PyTorch collates them, or None where they are to be made one by one.

    Args:
        dataset: any.
        indices: which of its samples; at least one.
        keys: a seed for each sample's draws; None where there is none, so that no view may be random.
    """
    if is_of_turned_views(dataset):
        of_turned = _views(dataset, ("transform",), indices, keys)
        return None if of_turned is None else Whole(in_four_positions(of_turned[0][0]))
    if not is_known(dataset):
        return None
    batch = sketch(dataset, indices)
    made = _views(dataset, batch.calls, indices, keys, batch.is_turned)
    if made is None:
        return None
    views, quarters = made
    entries = {name: views[value.number] if isinstance(value, View) else value for name, value in batch.entries.items()}
    if quarters is None:
        return Whole(entries)
    height, width = entries[TURNED_VIEW].shape[2:]
    # Other images do not keep their form.
    return Whole(with_turned_view(entries, torch.from_numpy(quarters))) if height == width else None


def _views(
    dataset: Any,
    calls: Sequence[str],
    indices: Sequence[int],
    keys: Sequence[int] | None,
    is_turned: bool = False,
) -> tuple[list[Tensor], np.ndarray | None] | None:
    """The views (N, C, H, W) that ``calls`` name, and, where asked, by how many quarters (N,) one is to be turned."""
    recipes = recipes_of(dataset, calls)
    if recipes is None or (keys is None and (is_turned or any(one.draws for one in recipes))):
        return None
    images = dataset.data[np.asarray(indices)]
    draws = KeyedDraws(keys or ())
    views, quarters = [], None
    for one in recipes:
        views.append(one(images, draws))
        if is_turned and quarters is None:
            quarters = draws.quarters()
    return views, quarters


class InBatches(Dataset[Any]):
    """A data set that a loader asks for whole batches, which are made at once where they can be.

    Args:
        dataset: any.
        collate: what makes a batch of its samples.
    """

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any]) -> None:
        self.dataset = dataset
        # Samples that carry more than the host's know how that is put together.
        around = getattr(dataset, "collating", None)
        self.collate = collate if around is None else around(collate)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("dataset", "collate"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[index]

    def __getitems__(self, indices: list[Any]) -> Any:
        """The samples, or the whole batch; :meth:`collated` tells them apart."""
        batch = whole_batch(self.dataset, indices) if self.collate is default_collate else None
        return [self.dataset[index] for index in indices] if batch is None else batch

    def collated(self, samples: Any) -> Any:
        """A batch of what :meth:`__getitems__` or a list of samples holds; for ``collate_fn``."""
        return samples.batch if isinstance(samples, Whole) else self.collate(samples)
