"""Further weak views of labeled images, beside the one that the host's data set makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import Dataset


class LabeledViews(Dataset):
    """A labeled data set whose samples carry further weak views of the same image.

    They are drawn after the sample itself, which is the same with and without them.

    Args:
        dataset: the host's.
        views: keys to add.
    """

    def __init__(self, dataset: Any, views: tuple[str, ...]) -> None:
        self.dataset = dataset
        self.views = views

    def __getattr__(self, name: str) -> Any:
        if name == "dataset" or (name.startswith("__") and name != "__sample__"):
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = dict(self.dataset[index])
        image = self.dataset.__sample__(index)[0]
        image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
        for view in self.views:
            sample[view] = self.dataset.transform(image)
        return sample


class RenamedView:
    """A loader whose batches have one key's entry under another key.

    Args:
        loader: a loader of dictionaries.
        source: the key to take.
        target: the key to put it under.
    """

    def __init__(self, loader: Any, source: str, target: str) -> None:
        self.loader, self.source, self.target = loader, source, target

    def __getattr__(self, name: str) -> Any:
        if name == "loader" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.loader, name)

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.loader:
            yield renamed(batch, self.source, self.target)


def renamed(batch: dict[str, Any], source: str, target: str) -> dict[str, Any]:
    """``batch`` with the entry ``source`` in the place of ``target``.

    >>> renamed({"x_lb": 1, "x_lb_1": 2, "y_lb": 3}, "x_lb_1", "x_lb")
    {'x_lb': 2, 'y_lb': 3}
    """
    batch = dict(batch)
    batch[target] = batch.pop(source)
    return batch
