"""Batches with one view in the place of another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


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
