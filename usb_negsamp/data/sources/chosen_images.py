"""Some images of larger arrays, which are not copied: a pool may be larger than memory where it lies in a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class ChosenImages:
    """What ``np.concatenate([images[indices], ...])`` holds, looked up in the arrays themselves. Nothing writes to it.

    Args:
        parts: of (N, H, W, C) images of one size and type, also ``numpy.memmap``, and which of them; None for all.

    >>> images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    >>> chosen = ChosenImages((images, np.array([3, 0])), (images, None))
    >>> chosen.shape, np.asarray(chosen).ravel().tolist(), chosen[np.array([0, 5])].ravel().tolist()
    ((6, 1, 1, 1), [3, 0, 0, 1, 2, 3], [3, 3])
    """

    def __init__(self, *parts: tuple[np.ndarray, np.ndarray | None]) -> None:
        self._parts = parts
        sizes = [len(images) if indices is None else len(indices) for images, indices in parts]
        self._ends = np.cumsum(sizes)
        first = parts[0][0]
        self.dtype = first.dtype
        self.shape: tuple[int, ...] = (int(self._ends[-1]), *first.shape[1:])
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, places: int | slice | Sequence[int] | np.ndarray) -> np.ndarray:
        """A copy of one image (H, W, C), or of several (N, H, W, C), by any index that NumPy takes for the first axis.

        Raises:
            IndexError: there are not so many.
        """
        if isinstance(places, slice):
            return self._looked_up(np.arange(*places.indices(len(self))))
        wanted = np.asarray(places)
        if wanted.dtype == bool:
            return self._looked_up(np.flatnonzero(wanted))
        if wanted.size and not (-len(self) <= wanted.min() and wanted.max() < len(self)):
            raise IndexError(f"expected a place below {len(self)}, but got {places}")
        wanted = np.where(wanted < 0, wanted + len(self), wanted)
        return self._looked_up(wanted.astype(np.int64).reshape(-1)).reshape(*wanted.shape, *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype=dtype)

    def __deepcopy__(self, memo: Any) -> ChosenImages:
        return self

    def _looked_up(self, places: np.ndarray) -> np.ndarray:
        number_of_part = np.searchsorted(self._ends, places, side="right")
        found = np.empty((len(places), *self.shape[1:]), dtype=self.dtype)
        start = 0
        for number, (images, indices) in enumerate(self._parts):
            here = number_of_part == number
            of_part = places[here] - start
            found[here] = images[of_part if indices is None else indices[of_part]]
            start = int(self._ends[number])
        return found
