"""Images, splits and views: where a run's pictures come from, which of them are labeled, how they are augmented.

Knows no host. Arrays of a source are decoded once; a split is index arrays over the source's training targets.
"""

from __future__ import annotations

from usb_negsamp.data.image_format import ImageFormat, format_of_source, read_entry
from usb_negsamp.data.mismatch import (
    classifier_posteriors,
    mismatch_from_features,
    neighbor_scores,
    ranks_within_classes,
)
from usb_negsamp.data.sources.image_source import ImageArrays, ImageSource
from usb_negsamp.data.sources.outliers import load_outliers, outlier_name
from usb_negsamp.data.sources.registry import HOST_SOURCES, SOURCES, load_source
from usb_negsamp.data.sources.same_classes import check_same_classes
from usb_negsamp.data.sources.torchvision_sets import stl10_folds
from usb_negsamp.data.splits.chosen_classes import (
    CLASS_ORDERS,
    chosen_classes,
    cifar100_superclass_order,
    number_of_classes,
)
from usb_negsamp.data.splits.labeled import Split, labeled_split
from usb_negsamp.data.splits.open_set import OpenSetSplit, open_set_split, seen_class_indices
from usb_negsamp.data.splits.protocols import PROTOCOLS
from usb_negsamp.data.splits.record import SplitRecord, adaptation_record, closed_record, open_set_record
from usb_negsamp.data.views.dnll import HorizontalShift, color_jitter, horizontal_shift, noise
from usb_negsamp.data.views.oliver import TensorAugmentation, mixmatch_augmentation, oliver_augmentation
from usb_negsamp.data.views.preprocessing import GCNZCA, PREPROCESSING, ChannelScaling, fit_preprocessing
from usb_negsamp.data.views.transforms import evaluation_transform, strong_transform, weak_transform
from usb_negsamp.value_types import FOLDER

__all__ = [
    "CLASS_ORDERS",
    "FOLDER",
    "GCNZCA",
    "HOST_SOURCES",
    "PREPROCESSING",
    "PROTOCOLS",
    "SOURCES",
    "ChannelScaling",
    "HorizontalShift",
    "ImageArrays",
    "ImageFormat",
    "ImageSource",
    "OpenSetSplit",
    "Split",
    "SplitRecord",
    "TensorAugmentation",
    "adaptation_record",
    "check_same_classes",
    "chosen_classes",
    "cifar100_superclass_order",
    "classifier_posteriors",
    "closed_record",
    "color_jitter",
    "evaluation_transform",
    "fit_preprocessing",
    "format_of_source",
    "horizontal_shift",
    "labeled_split",
    "load_outliers",
    "load_source",
    "mismatch_from_features",
    "mixmatch_augmentation",
    "neighbor_scores",
    "noise",
    "number_of_classes",
    "oliver_augmentation",
    "open_set_record",
    "open_set_split",
    "outlier_name",
    "ranks_within_classes",
    "read_entry",
    "seen_class_indices",
    "stl10_folds",
    "strong_transform",
    "weak_transform",
]
