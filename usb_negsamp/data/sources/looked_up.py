"""Images that are no array, but are asked for as one is: looked up where they lie, each time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np


class LookedUpImages(ABC):
    """What stands for an array of (N, H, W, C) images. Nothing writes to it.

    Args:
        number: N.
        image_shape: (H, W, C).
        dtype: of the pixels.
    """

    seconds_an_image = 0.0
    """About how long looking one up takes."""

    def __init__(self, number: int, image_shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.shape: tuple[int, ...] = (number, *image_shape)
        self.dtype = dtype
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

    def __deepcopy__(self, memo: Any) -> LookedUpImages:
        return self

    @abstractmethod
    def _looked_up(self, places: np.ndarray) -> np.ndarray:
        """The images (N, H, W, C) at ``places`` (N,), each from 0 to below the number of images."""
