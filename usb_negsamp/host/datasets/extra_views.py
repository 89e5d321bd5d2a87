"""The views a wrapper needs beside those that the host's data set makes."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from semilearn.core.utils import ALGORITHMS
from torch.utils.data import Dataset

PLAIN_VIEW = "x_ulb_plain"
"""The unlabeled image as it is evaluated."""

OF_ALGORITHM = "data_of_algorithm"
"""Name among the arguments of a notebook, for the data sets of the algorithm that was built with them."""
NO_STRONG_VIEW = frozenset(
    {"fullysupervised", "supervised", "pseudolabel", "vat", "pimodel", "meanteacher", "mixmatch"}
)
"""Algorithms of the host that look at no strong view."""


class ExtraViews(Dataset[Any]):
    """A labeled or unlabeled data set whose samples carry further views of the same image.

    They are drawn after the sample itself, which is the same with and without them.

    Args:
        dataset: the host's; ``transform`` makes weak views, ``strong_transform`` strong ones and ``plain_transform``,
            where it has been given one, the plain one.
        views: keys to add where the sample lacks them: ``PLAIN_VIEW``; a strong view where a key holds ``_s``; any
            other one is a weak view.
    """

    def __init__(self, dataset: Any, views: tuple[str, ...]) -> None:
        self.dataset = dataset
        self.views = views
        self.of_unlabeled = dataset.is_ulb

    def of(self, dataset: Any) -> ExtraViews:
        """The same views of ``dataset``, which stands for the present one."""
        other = type(self)(dataset, self.views)
        other.of_unlabeled = self.of_unlabeled
        return other

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or (name.startswith("__") and name != "__sample__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __setattr__(self, name: str, value: Any) -> None:
        # The host's imbalanced algorithms change the data, the targets and is_ulb of a data set they have copied.
        if name in ("dataset", "views", "of_unlabeled"):
            super().__setattr__(name, value)
        else:
            setattr(self.dataset, name, value)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = dict(self.dataset[index])
        # An unlabeled data set that has become a labeled one has no use for unlabeled views.
        wanted = self.views if self.dataset.is_ulb == self.of_unlabeled else ()
        missing = [view for view in wanted if view not in sample]
        if missing:
            image = self.dataset.__sample__(index)[0]
            image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
            for view in missing:
                sample[view] = self._transform_of(view)(image)
        return sample

    def _transform_of(self, view: str) -> Any:
        if view == PLAIN_VIEW:
            return self.dataset.plain_transform
        return self.dataset.strong_transform if "_s" in view else self.dataset.transform


def name_of_views(algorithm: str) -> str:
    """The name by which the host's data sets choose a registered algorithm's views; a wrapped one's is its base's."""
    found: str = getattr(ALGORITHMS[algorithm], "base_name", algorithm) if algorithm in ALGORITHMS else algorithm
    return found


def views_read(algorithm: str, args: Any) -> tuple[str, ...]:
    """Batch keys of unlabeled views that a registered algorithm reads beside those of its base."""
    return _told_by(algorithm, "views_needed", args)


def labeled_views_read(algorithm: str, args: Any) -> tuple[str, ...]:
    """Batch keys of labeled views that a registered algorithm reads beside the host's one."""
    return _told_by(algorithm, "labeled_views_needed", args)


def _told_by(algorithm: str, name: str, args: Any) -> tuple[str, ...]:
    needed = getattr(ALGORITHMS[algorithm], name, None) if algorithm in ALGORITHMS else None
    return () if needed is None else tuple(dict.fromkeys(needed(args)))
