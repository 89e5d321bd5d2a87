"""What a network makes of many images, batch by batch, in one tensor."""

from __future__ import annotations

import torch
from torch import Tensor


class Rows:
    """Rows of N images in one tensor, which is made with the first batch.

    Kept one by one until the end, small tensors lie between the large ones of each pass, whose memory then comes back
    only in part: of a million images the process kept 2.7 gigabytes.

    Args:
        size: N.
        device: where the tensor lies; None, where the first batch does.

    >>> rows = Rows(3)
    >>> rows.add(torch.ones(2, 4))
    >>> rows.add(torch.zeros(1, 4))
    >>> rows.together.sum(1)
    tensor([4., 4., 0.])
    """

    def __init__(self, size: int, device: torch.device | str | None = None) -> None:
        self._size, self._device = size, device
        self._values: Tensor | None = None
        self._filled = 0

    def add(self, batch: Tensor) -> None:
        """Put the next rows (M, ...) in."""
        if self._values is None:
            shape = (self._size, *batch.shape[1:])
            self._values = torch.empty(shape, dtype=batch.dtype, device=self._device or batch.device)
        self._values[self._filled : self._filled + len(batch)] = batch
        self._filled += len(batch)

    @property
    def together(self) -> Tensor:
        """All rows (N, ...).

        Raises:
            ValueError: some are missing.
        """
        if self._values is None or self._filled != self._size:
            raise ValueError(f"expected {self._size} rows, but got {self._filled}")
        return self._values
