"""Some images of larger arrays, which are not copied: a pool may be larger than memory where it lies in a file."""

from __future__ import annotations

import numpy as np

from usb_negsamp.data.sources.looked_up import LookedUpImages


class ChosenImages(LookedUpImages):
    """What ``np.concatenate([images[indices], ...])`` holds, looked up in the arrays themselves.

    Args:
        parts: of (N, H, W, C) images of one size and type, also ``numpy.memmap`` or images that are looked up
            themselves, and which of them; None for all.

    >>> images = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    >>> chosen = ChosenImages((images, np.array([3, 0])), (images, None))
    >>> chosen.shape, np.asarray(chosen).ravel().tolist(), chosen[np.array([0, 5])].ravel().tolist()
    ((6, 1, 1, 1), [3, 0, 0, 1, 2, 3], [3, 3])
    """

    def __init__(self, *parts: tuple[np.ndarray | LookedUpImages, np.ndarray | None]) -> None:
        self._parts = parts
        sizes = [len(images) if indices is None else len(indices) for images, indices in parts]
        self._ends = np.cumsum(sizes)
        first = parts[0][0]
        super().__init__(int(self._ends[-1]), first.shape[1:], first.dtype)
        self.seconds_an_image = max(getattr(images, "seconds_an_image", 0.0) for images, _ in parts)

    def _looked_up(self, places: np.ndarray) -> np.ndarray:
        number_of_part = np.searchsorted(self._ends, places, side="right")
        found = np.empty((len(places), *self.shape[1:]), dtype=self.dtype)
        start = 0
        for number, (images, indices) in enumerate(self._parts):
            here = number_of_part == number
            of_part = places[here] - start
            if len(of_part):
                found[here] = images[of_part if indices is None else indices[of_part]]
            start = int(self._ends[number])
        return found
