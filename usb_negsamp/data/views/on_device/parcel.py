"""Small arrays of a batch that go to a device together, in one copy."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_TYPES = {"int32": torch.int32, "float32": torch.float32}


class Slot(NamedTuple):
    """Where an array lies in a parcel."""

    start: int
    shape: tuple[int, ...]
    type: str


class Parcel:
    """Collects arrays of 32-bit numbers on the host."""

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._size = 0

    def add(self, array: np.ndarray) -> Slot:
        """Put an array in, and return what :func:`taken` finds it by.

        Args:
            array: of any shape; whole numbers (and truth values) become int32, others float32.
        """
        name = "float32" if np.issubdtype(array.dtype, np.floating) else "int32"
        slot = Slot(self._size, array.shape, name)
        self._arrays.append(np.ascontiguousarray(array, dtype=name).view(np.int32).ravel())
        self._size += array.size
        return slot

    def packed(self) -> Tensor:
        """All arrays one behind the other, (size,) int32."""
        return torch.from_numpy(np.concatenate(self._arrays)) if self._arrays else torch.empty(0, dtype=torch.int32)


def taken(packed: Tensor, slot: Slot) -> Tensor:
    """The array at ``slot``, on the device of ``packed``, not copied.

    >>> parcel = Parcel()
    >>> slots = parcel.add(np.array([[1, 2]])), parcel.add(np.array([0.5]))
    >>> [taken(parcel.packed(), slot) for slot in slots]
    [tensor([[1, 2]], dtype=torch.int32), tensor([0.5000])]
    """
    part = packed[slot.start : slot.start + math.prod(slot.shape)]
    return part.view(_TYPES[slot.type]).view(slot.shape)
