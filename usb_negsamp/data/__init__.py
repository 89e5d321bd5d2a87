"""Images, splits and views: where a run's pictures come from, which of them are labeled, how they are augmented.

Knows no host. Arrays of a source are decoded once; a split is index arrays over the source's training targets.
"""

from __future__ import annotations

from usb_negsamp.data.image_source import ImageArrays, ImageSource
from usb_negsamp.data.oliver_augmentation import TensorAugmentation, mixmatch_augmentation, oliver_augmentation
from usb_negsamp.data.open_set import OpenSetSplit, open_set_split, seen_class_indices
from usb_negsamp.data.preprocessing import GCNZCA, PREPROCESSING, ChannelScaling, fit_preprocessing
from usb_negsamp.data.protocols import PROTOCOLS
from usb_negsamp.data.sources import HOST_SOURCES, SOURCES, load_source
from usb_negsamp.data.splits import Split, labeled_split
from usb_negsamp.data.superclasses import cifar100_superclass_order
from usb_negsamp.data.torchvision_sets import stl10_folds
from usb_negsamp.data.transforms import evaluation_transform, strong_transform, weak_transform

__all__ = [
    "GCNZCA",
    "HOST_SOURCES",
    "PREPROCESSING",
    "PROTOCOLS",
    "SOURCES",
    "ChannelScaling",
    "ImageArrays",
    "ImageSource",
    "OpenSetSplit",
    "Split",
    "TensorAugmentation",
    "cifar100_superclass_order",
    "evaluation_transform",
    "fit_preprocessing",
    "labeled_split",
    "load_source",
    "mixmatch_augmentation",
    "oliver_augmentation",
    "open_set_split",
    "seen_class_indices",
    "stl10_folds",
    "strong_transform",
    "weak_transform",
]
