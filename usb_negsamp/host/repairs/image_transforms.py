"""Views of small images without torchvision's and Pillow's detours.

What is wrong: ``datasets/cv_datasets/*.py`` crop an image and make a tensor of it by torchvision's general operations,
which convert it several times, and RandAugment makes tables of 256 values in loops of Python; for 32 x 32 pixels that
is two thirds of the time. How it shows: with the host's one worker for a loader a fast device waits for images. How it
is mended: ``BasicDataset`` puts the operations of :mod:`usb_negsamp.host.datasets.batches.same_views` in their places,
which give bit for bit the same from the same draws; whatever those do not know, other images or other settings, goes
the old way. When it may go: when the host's operations are as fast on small images.
"""

from __future__ import annotations

import functools
from typing import Any

from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from usb_negsamp.host.datasets.batches.same_views import without_detours
from usb_negsamp.host.patching import replace


def apply() -> None:
    """Wrap ``BasicDataset.__init__``."""
    original = BasicDataset.__init__

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for name in ("transform", "medium_transform", "strong_transform"):
            if hasattr(self, name):
                setattr(self, name, without_detours(getattr(self, name)))

    replace(BasicDataset, "__init__", __init__)
