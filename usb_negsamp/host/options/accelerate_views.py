"""Where the views of a batch are made: ``accelerate_views: host | device``.

On the host they are made by the loader, in its workers where there are any. On the device they are made by tensor
operations, of the host's draws: the same views. The stored images lie on a GPU as they are kept, 8-bit pixels usually;
those of a data set that would take more than a quarter of its memory go there batch by batch.
Only training is concerned; evaluation draws nothing.
"""

from __future__ import annotations

import functools
from typing import Any

from semilearn.core.utils import build as host_build

from usb_negsamp.errors import expected
from usb_negsamp.host.datasets.on_device.loader import LoaderOnDevice
from usb_negsamp.host.datasets.on_device.refusal import reason
from usb_negsamp.host.datasets.seeded_loading import SeededSampler
from usb_negsamp.host.patching import replace_everywhere

SECONDS_A_SAMPLE = 5e-5
"""That drawing a sample with a strong view takes."""
SECONDS_IN_THE_PROCESS = 0.002
"""Batches whose drawing takes longer are drawn by workers, where the host's loader has any."""


def apply() -> None:
    """Wrap ``get_data_loader``."""
    original = host_build.get_data_loader

    @functools.wraps(original)
    def get_data_loader(args: Any, dset: Any, *rest: Any, **kwargs: Any) -> Any:
        loader = original(args, dset, *rest, **kwargs)
        if getattr(args, "accelerate_views", "host") != "device" or not isinstance(loader.sampler, SeededSampler):
            return loader
        why = reason(dset)
        if why is not None:
            dset[0]  # what cannot be made anywhere is refused for that
            raise expected("accelerate_views", f"host for {why}", "device")
        few = SECONDS_A_SAMPLE * loader.batch_size <= SECONDS_IN_THE_PROCESS
        return LoaderOnDevice(loader, 0 if few else loader.num_workers)

    replace_everywhere(original, get_data_loader)
