"""Batches of those unlabeled images alone that an algorithm has chosen, beside the batches of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, default_collate

from usb_negsamp.host import device
from usb_negsamp.host.datasets.extra_views import ExtraViews
from usb_negsamp.host.datasets.seeded_loading import SeededDataset, leave_signals_to_parent, remember_workers
from usb_negsamp.host.randomness import mix, mix_with_each
from usb_negsamp.host.transfer import on_device


class KeptBatches(Sampler[list[tuple[int, int]]]):
    """Yields (key, index) of every image of a batch, batch after batch without end, from batch number ``first`` on.

    Position p of the global order, in which the batches of all processes follow each other row by row, has the image
    p mod n of the n chosen ones in an order that is drawn anew for each pass over them. Order and keys follow from seed
    and position alone.

    Args:
        chosen: (n,) indices, at least one.
        batch_size: of one process.
        seed: of order and keys.
        first: number of the first batch.
        rank: of this process.
        count: of processes.
    """

    def __init__(self, chosen: np.ndarray, batch_size: int, seed: int, first: int, rank: int, count: int) -> None:
        self.chosen, self.batch_size, self.seed = chosen, batch_size, seed
        self.first, self.rank, self.count = first, rank, count

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        drawn: tuple[int, np.ndarray] = (-1, self.chosen)
        rows = np.arange(self.batch_size, dtype=np.int64) * self.count + self.rank
        number = self.first
        while True:
            positions = rows + number * self.batch_size * self.count
            indices = np.empty_like(positions)
            passes = positions // len(self.chosen)
            for this in range(int(passes[0]), int(passes[-1]) + 1):
                if drawn[0] != this:
                    drawn = (this, np.random.default_rng(mix(self.seed, this)).permutation(self.chosen))
                indices[passes == this] = drawn[1][positions[passes == this] % len(self.chosen)]
            keys = mix_with_each(self.seed, each=positions)
            yield list(zip(keys.tolist(), indices.tolist(), strict=True))
            number += 1


class KeptImages:
    """Hands out, step after step, views of the images that were chosen last.

    What a step gets follows from the seed, the choice and the step's number, so that a resumed run and one in another
    number of processes get what they would have.

    Args:
        dataset: the unlabeled images, whatever views its samples have.
        views: batch keys of the views wanted.
        batch_size: of one process.
        seed: of order and views.
        share: rank and number of processes.

    Attributes:
        dataset: the images with these views.
        num_workers: that make the views; 0, the process itself.
    """

    def __init__(
        self,
        dataset: Any,
        views: tuple[str, ...],
        *,
        batch_size: int,
        seed: int,
        share: tuple[int, int],
    ) -> None:
        self.views = views
        self.dataset = ExtraViews(dataset.dataset if isinstance(dataset, ExtraViews) else dataset, views)
        self.batch_size, self.seed, self.share = batch_size, seed, share
        self.num_workers = 0
        self.chosen = np.empty(0, dtype=np.int64)
        self._batches: Iterator[dict[str, Any]] | None = None
        self._next = 0

    def choose(self, chosen: np.ndarray) -> None:
        """Hand out the images of the indices ``chosen`` (n,) from now on; none is allowed."""
        self.chosen, self._batches = chosen, None

    @property
    def chosen_share(self) -> float:
        """How many of all images were chosen last."""
        return len(self.chosen) / len(self.dataset)

    def batch(self, number: int, where: torch.device) -> dict[str, torch.Tensor] | None:
        """The views of step ``number``, at the device ``where``; None if no image is chosen."""
        if not len(self.chosen):
            return None
        if self._batches is None or number != self._next:
            self._batches, self._next = iter(self._loader(number)), number
        batch = next(self._batches)
        self._next += 1
        return {view: on_device(batch[view], where) for view in self.views}

    def _loader(self, first: int) -> DataLoader[Any]:
        seeded = SeededDataset(self.dataset, default_collate)
        loader: DataLoader[Any] = DataLoader(
            seeded,
            batch_sampler=KeptBatches(self.chosen, self.batch_size, self.seed, first, *self.share),
            collate_fn=seeded.collated,
            num_workers=self.num_workers,
            worker_init_fn=leave_signals_to_parent,
            pin_memory=device.selected().type == "cuda",
            persistent_workers=self.num_workers > 0,  # so that the loader has them, to let them go
            generator=torch.Generator(),
        )
        remember_workers(loader)
        return loader
