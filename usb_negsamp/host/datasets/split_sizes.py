"""How many images a split labels and holds out, where that is asked for in words (``all``, ``auto``)."""

from __future__ import annotations

from typing import Any, NamedTuple

from usb_negsamp.data import ImageSource
from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.host.datasets.dataset_parts import validation_size
from usb_negsamp.value_types import ALL, AUTO

LABELS_A_VALIDATION_IMAGE = 4


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
