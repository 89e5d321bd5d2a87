"""Images, splits and views: where a run's pictures come from, which of them are labeled, how they are augmented.

Knows no host. Arrays of a source are decoded once; a split is index arrays over the source's training targets.
"""

from __future__ import annotations

from usb_negsamp.data.image_source import ImageArrays, ImageSource
from usb_negsamp.data.sources import SOURCES, load_source
from usb_negsamp.data.splits import Split, labeled_split
from usb_negsamp.data.transforms import evaluation_transform, strong_transform, weak_transform

__all__ = [
    "SOURCES",
    "ImageArrays",
    "ImageSource",
    "Split",
    "evaluation_transform",
    "labeled_split",
    "load_source",
    "strong_transform",
    "weak_transform",
]
