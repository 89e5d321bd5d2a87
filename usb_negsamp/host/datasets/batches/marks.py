"""Which views the samples of a batch have, found out before any is made.

That is the host's affair: its data set is asked for every sample as ever, but with marks in the places of images and
transforms. A mark that comes back says which transform makes that view, and the order of the calls whose draws come
first.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from semilearn.datasets.cv_datasets.datasetbase import BasicDataset
from torch.utils.data import default_collate

from usb_negsamp.host.datasets.extra_views import ExtraViews

TRANSFORMS = ("transform", "medium_transform", "strong_transform", "plain_transform")
TURNED_VIEW = "x_ulb_s_0"
"""The view of ReMixMatch that is handed out turned, too."""
SAME_CALLS = {"remixmatch": "comatch"}
"""Algorithms for which the host's data set does more with a view than hand it out, and others with the same views."""


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
        marked.alg = SAME_CALLS.get(of_host.alg, of_host.alg)
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


class Sketch(NamedTuple):
    """A batch whose views are yet to be made.

    Attributes:
        entries: as PyTorch collates them, with marks in the places of views.
        calls: the names of the transforms that make the views, in the order in which they draw.
        is_turned: whether ``TURNED_VIEW`` is wanted turned, too; that is drawn after the first view.
    """

    entries: dict[str, Any]
    calls: tuple[str, ...]
    is_turned: bool


def is_of_host(dataset: Any) -> bool:
    """Whether the images are kept and looked up as the host's own image data set does."""
    return type(dataset.dataset if type(dataset) is ExtraViews else dataset) is BasicDataset


def is_known(dataset: Any) -> bool:
    """Whether marks tell all that the data set does with its images."""
    return is_of_host(dataset) and dataset.transform is not None


def sketch(dataset: Any, indices: Sequence[int]) -> Sketch:
    """Return the batch of the samples ``indices``, at least one, of a data set that is known."""
    marked = MarkedDataset(dataset)
    samples, calls = zip(*(marked[index] for index in indices), strict=True)
    assert all(other == calls[0] for other in calls)
    # Views that are not handed out have their draws before those that follow them.
    numbers = [value.number for value in samples[0].values() if isinstance(value, View)]
    entries = {
        name: value if isinstance(value, View) else default_collate([sample[name] for sample in samples])
        for name, value in samples[0].items()
    }
    is_turned = dataset.alg in SAME_CALLS and TURNED_VIEW in entries
    return Sketch(entries, tuple(calls[0][: max(numbers, default=-1) + 1]), is_turned)
