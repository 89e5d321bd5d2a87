"""A loader whose batches come with views made on the device."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from usb_negsamp.data.views.on_device.parcel import taken
from usb_negsamp.data.views.on_device.parts import Taken
from usb_negsamp.host import device
from usb_negsamp.host.datasets.batches.marks import View
from usb_negsamp.host.datasets.batches.turned import in_four_positions, is_of_turned_views, with_turned_view
from usb_negsamp.host.datasets.batches.whole import Whole
from usb_negsamp.host.datasets.on_device.request import Request, drawn_request, parts_of
from usb_negsamp.host.datasets.on_device.stored_images import StoredImages, is_kept, largest_kept
from usb_negsamp.host.datasets.seeded_loading import SeededDataset, remember_workers
from usb_negsamp.host.transfer import on_device


class DrawnDataset(SeededDataset):
    """The host's data set, asked by (key, index) for a batch that is drawn and not made.

    Args:
        dataset: the host's.
        most_bytes: of images that are kept on the device; larger ones' go with each batch.
    """

    def __init__(self, dataset: Any, most_bytes: int) -> None:
        super().__init__(dataset, default_collate)
        self.most_bytes = most_bytes

    def __getitems__(self, keyed: list[tuple[int, int]]) -> Whole:
        """The batch, as a :class:`Request`."""
        keys, indices = [key for key, _ in keyed], [index for _, index in keyed]
        return Whole(drawn_request(self.dataset, indices, keys, not is_kept(self.dataset.data, self.most_bytes)))


class LoaderOnDevice(DataLoader[Any]):
    """As ``loader``, one of the seeded ones, with views that are made on the selected device.

    Args:
        loader: its data set is one that nothing keeps from that.
        num_workers: processes that draw.
    """

    def __init__(self, loader: DataLoader[Any], num_workers: int) -> None:
        assert isinstance(loader.dataset, SeededDataset)
        drawn = DrawnDataset(loader.dataset.dataset, largest_kept(device.selected()))
        super().__init__(
            drawn,
            batch_size=loader.batch_size,
            sampler=loader.sampler,
            num_workers=num_workers,
            collate_fn=drawn.collated,
            pin_memory=loader.pin_memory,
            drop_last=loader.drop_last,
            worker_init_fn=loader.worker_init_fn,
            generator=loader.generator,
            persistent_workers=num_workers > 0,
        )
        remember_workers(self)
        self._stored: StoredImages | None = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Batches as the host collates them, the views on the device."""
        # Workers draw from now on, not from the first batch on, as those of any loader.
        return map(self.made, super().__iter__())

    @torch.no_grad()
    def made(self, request: Request) -> Any:
        """Make the views of a batch."""
        dataset: Any = self.dataset
        of_host = dataset.dataset
        if self._stored is None:
            self._stored = StoredImages(_present())
        packed = on_device(request.packed, self._stored.device)
        find = partial(taken, packed)
        if request.images is None:
            images = self._stored.of(of_host.data).index_select(0, find(request.indices))
        else:
            images = on_device(request.images, self._stored.device)
        if images.dtype == torch.uint8:
            images = images.permute(0, 3, 1, 2).contiguous()
        views = _views(of_host, request, images, find)
        if is_of_turned_views(of_host):
            return in_four_positions(views[0])
        entries = {
            name: views[value.number] if isinstance(value, View) else value
            for name, value in request.batch.entries.items()
        }
        return entries if request.quarters is None else with_turned_view(entries, find(request.quarters))


def _views(dataset: Any, request: Request, images: Tensor, find: Taken) -> list[Tensor]:
    views = []
    for parts, drawn in zip(parts_of(dataset, request.batch.calls), request.drawn, strict=True):
        view = images
        for part, of_part in zip(parts, drawn, strict=True):
            view = part.make(view, of_part, find)
        views.append(view.clone() if view is images else view)
    return views


def _present() -> torch.device:
    """The device that this process computes on."""
    if device.selected().type == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
