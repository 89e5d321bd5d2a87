"""From the arrays of a source to data sets of the host, all by the run's preprocessing and augmentation."""

from __future__ import annotations

import hashlib
import inspect
from typing import Any, NamedTuple

import numpy as np
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from usb_negsamp.data import ImageArrays, ImageSource
from usb_negsamp.data.announcing import announced
from usb_negsamp.data.sources.image_source import images_at_once
from usb_negsamp.data.sources.looked_up import LookedUpImages
from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.host.datasets.image_views import image_views
from usb_negsamp.value_types import ALL, AUTO

Images = np.ndarray | LookedUpImages

LABELS_A_VALIDATION_IMAGE = 4
UNKNOWN = -1
"""Stands for a label that is not known, or that no train step may know."""


class DatasetParts:
    """Makes the host's data sets of one run.

    Args:
        args: the run's arguments; ``preprocessing``, ``augmentation``, ``img_size`` and ``crop_ratio`` are read.
        algorithm: the name by which the host's data set chooses the views of an unlabeled sample.
        source: where the statistics of the preprocessing come from, and whether images are mirrored.
        num_classes: K, the width of the classifier's head.
    """

    def __init__(self, args: Any, algorithm: str, source: ImageSource, num_classes: int) -> None:
        self.algorithm = algorithm
        self.num_classes = num_classes
        self.views = image_views(args, source)

    def labeled(self, images: Images, targets: np.ndarray) -> BasicDataset:
        """Images with weak views (DeFixMatch takes strong ones too) and their labels."""
        return self._dataset(self.views.stored(images), targets, weak=True)

    def unlabeled(self, images: Images, targets: np.ndarray) -> BasicDataset:
        """Images with the views of the algorithm. It hands out no targets, but keeps them."""
        return self._dataset(self.views.stored(images), targets, weak=True, is_ulb=True)

    def evaluated(self, images: Images, targets: np.ndarray) -> BasicDataset:
        """Images as they are, and their labels."""
        return self._dataset(self.views.stored(images), targets)

    def evaluated_like(self, dataset: BasicDataset, targets: np.ndarray) -> BasicDataset:
        """The images of ``dataset``, not copied, as they are, with labels of their own."""
        return self._dataset(dataset.data, targets)

    def _dataset(self, data: Any, targets: np.ndarray, weak: bool = False, is_ulb: bool = False) -> BasicDataset:
        strong = self.views.strong if weak else None
        more = {"medium_transform": strong} if _has_medium_view() else {}
        return BasicDataset(
            alg=self.algorithm,
            data=data,
            targets=targets,
            num_classes=self.num_classes,
            transform=self.views.weak if weak else self.views.plain,
            is_ulb=is_ulb,
            strong_transform=strong,
            onehot=False,
            **more,
        )


def unknown_targets(number: int) -> np.ndarray:
    """``number`` targets (int64) that say nothing."""
    return np.full(number, UNKNOWN, dtype=np.int64)


def image_digest(*parts: ImageArrays | None) -> str:
    """SHA-256 of the images and labels of ``parts``, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if part is not None:
            # Piece by piece: a copy of a large set would take as much memory again.
            at_once = images_at_once(part.images.shape[1])
            with announced("reading images for their digest", len(part)) as tell:
                for start in range(0, len(part), at_once):
                    digest.update(np.ascontiguousarray(part.images[start : start + at_once]).data)
                    tell(min(start + at_once, len(part)))
            digest.update(part.targets.astype("<i8").tobytes())
    return digest.hexdigest()


def split_seed(args: Any) -> int:
    """The seed of the split: ``split_seed`` or, without it, ``seed``."""
    seed = getattr(args, "split_seed", None)
    return int(args.seed if seed is None else seed)


def validation_size(args: Any, source: ImageSource) -> Any:
    """How many training images to hold out, or ``auto``: none where the source has a validation part of its own."""
    return (getattr(args, "validation_size", 0) or 0) if source.validation is None else 0


class SplitSizes(NamedTuple):
    """Numbers of images.

    Attributes:
        num_labels: labeled ones.
        validation: training images held out; 0 where the source has a validation part.
    """

    num_labels: int
    validation: int


def split_sizes(args: Any, source: ImageSource, num_labels: int | str) -> SplitSizes:
    """Count what ``num_labels`` and the key ``validation_size`` ask of the training images of ``source``.

    ``auto`` holds out one image for every four labels and at least one for each class, so that images to choose a model
    by stay fewer than those to learn from.

    Raises:
        ConfigError: there are too few images with a label.
    """
    known, num_classes = int((source.train.targets >= 0).sum()), len(source.classes)
    held_out, all_labels = validation_size(args, source), num_labels == ALL
    if held_out == AUTO:
        labels = known * LABELS_A_VALIDATION_IMAGE // (LABELS_A_VALIDATION_IMAGE + 1) if all_labels else int(num_labels)
        wanted = known - labels if all_labels else round(labels / LABELS_A_VALIDATION_IMAGE)
        held_out = max(num_classes, wanted)
        if not all_labels and labels + held_out > known:
            raise ConfigError(
                f"num_labels={labels} and validation_size auto ask for {labels + held_out} of {known} images with a "
                "label; give a smaller number, or all"
            )
        if held_out >= known:
            raise expected(
                "validation_size auto",
                f"more than {num_classes} images with a label, to hold out one for each class",
                f"{known}; give a folder val, or validation_size 0 and a folder test",
            )
    if not all_labels:
        return SplitSizes(int(num_labels), held_out)
    if held_out >= known:
        raise ConfigError(f"validation_size={held_out} leaves nothing of {known} images with a label")
    return SplitSizes(known - held_out, held_out)


def validation_shares(args: Any) -> str:
    """The shares of the classes in the images held out."""
    return getattr(args, "validation_shares", None) or "proportional"


def _has_medium_view() -> bool:
    """Whether the host's data set makes medium views (git main's does)."""
    return "medium_transform" in inspect.signature(BasicDataset.__init__).parameters
