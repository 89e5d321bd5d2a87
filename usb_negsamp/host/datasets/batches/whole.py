"""Batches of the host's image data sets, their views made of all images at once.

Which views a sample has is the host's affair: its data set is asked for every sample as ever, but with marks in the
places of images and transforms. A mark that comes back says which transform makes that view, and the order of the calls
whose draws come first. Then each view is made for the whole batch. The numbers are those of one sample after the other,
bit for bit; what is not known here, another data set, image or transform, is made so.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from torch.utils.data import Dataset, default_collate

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.host.datasets.batches.recipes import Recipe, recipe
from usb_negsamp.host.datasets.extra_views import ExtraViews

TRANSFORMS = ("transform", "medium_transform", "strong_transform")
CHANGES_VIEWS = ("remixmatch",)
"""Algorithms for which the host's data set does more with a view than hand it out."""
SECONDS_A_VALUE = 4e-9
"""Of a view, its share in the sample's draws and marks included; measured on images of 32 x 32 pixels."""
SECONDS_A_STRONG_VIEW = 1e-4


class Place:
    """A mark that stands for a stored image."""


class View(NamedTuple):
    """A mark that stands for a view; ``number`` counts the sample's views in the order in which they are drawn."""

    number: int


PLACE = Place()


class Places:
    """Stands where the stored images would."""

    def __getitem__(self, index: int) -> Place:
        return PLACE


class MarkedDataset:
    """One of the host's image data sets with marks in it. Those that it shares its parts with keep theirs.

    Args:
        dataset: a ``BasicDataset``, or one with further views.
    """

    def __init__(self, dataset: Any) -> None:
        self.calls: list[str] = []
        of_host = dataset.dataset if isinstance(dataset, ExtraViews) else dataset
        marked = copy.copy(of_host)
        marked.data = Places()
        for name in TRANSFORMS:
            if getattr(of_host, name, None) is not None:
                setattr(marked, name, partial(self._call, name))
        self.dataset = dataset.of(marked) if isinstance(dataset, ExtraViews) else marked

    def __getitem__(self, index: int) -> tuple[dict[str, Any], list[str]]:
        """The sample, and the names of the transforms that were called for it, in order."""
        self.calls = []
        return self.dataset[index], self.calls

    def _call(self, name: str, place: Place) -> View:
        self.calls.append(name)
        return View(len(self.calls) - 1)


def is_of_host(dataset: Any) -> bool:
    """Whether the images are kept and looked up as the host's own image data set does."""
    return type(dataset.dataset if type(dataset) is ExtraViews else dataset) is BasicDataset


def is_known(dataset: Any) -> bool:
    """Whether marks tell all that the data set does with its images."""
    return is_of_host(dataset) and dataset.alg not in CHANGES_VIEWS and dataset.transform is not None


def recipes_of(dataset: Any, calls: Sequence[str]) -> list[Recipe] | None:
    """How the views that ``calls`` names are made; None where a transform is not known here."""
    found = [recipe(getattr(dataset, name), dataset.data) for name in calls]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


def seconds_of_a_batch(dataset: Any, batch_size: int) -> float:
    """About how long making a batch takes; infinity where the samples are made one by one, which nothing tells of."""
    if not is_known(dataset) or not len(dataset):
        return math.inf
    _, calls = MarkedDataset(dataset)[0]
    recipes = recipes_of(dataset, calls)
    if recipes is None:
        return math.inf
    of_values: float = SECONDS_A_VALUE * math.prod(dataset.data.shape[1:])
    return batch_size * sum(of_values + (SECONDS_A_STRONG_VIEW if one.is_strong else 0.0) for one in recipes)


def whole_batch(dataset: Any, indices: Sequence[int], keys: Sequence[int] | None = None) -> dict[str, Any] | None:
    """Samples as PyTorch collates them, or None where they are to be made one by one.

    Args:
        dataset: any.
        indices: which of its samples; at least one.
        keys: a seed for each sample's draws; None where there is none, so that no view may be random.
    """
    if not is_known(dataset):
        return None
    marked = MarkedDataset(dataset)
    samples, calls = zip(*(marked[index] for index in indices), strict=True)
    # Views that are not handed out have their draws before those that follow them.
    numbers = [value.number for value in samples[0].values() if isinstance(value, View)]
    needed = calls[0][: max(numbers, default=-1) + 1]
    recipes = recipes_of(dataset, needed)
    if recipes is None or (keys is None and any(one.draws for one in recipes)):
        return None
    assert all(other == calls[0] for other in calls)
    images = dataset.data[np.asarray(indices)]
    draws = KeyedDraws(keys or ())
    made = [one(images, draws) for one in recipes]
    return {
        name: made[value.number] if isinstance(value, View) else default_collate([sample[name] for sample in samples])
        for name, value in samples[0].items()
    }


class InBatches(Dataset[Any]):
    """A data set that a loader asks for whole batches, which are made at once where they can be.

    Args:
        dataset: any.
        collate: what makes a batch of its samples.
    """

    def __init__(self, dataset: Any, collate: Callable[[list[Any]], Any]) -> None:
        self.dataset = dataset
        self.collate = collate

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
        return samples if isinstance(samples, dict) else self.collate(samples)
