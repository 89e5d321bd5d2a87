"""What a preset's values depend on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """What a preset's values depend on; a number that the user left open is None."""

    algorithm: str
    wrappers: frozenset[str]
    dataset: str
    num_classes: int | None = None
    num_labels: int | None = None
    num_train_iter: int | None = None
    lr: float | None = None
