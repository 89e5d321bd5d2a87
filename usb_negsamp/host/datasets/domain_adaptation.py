"""The host's data sets for labels from one data set and unlabeled images from another (key ``labeled_dataset``).

The labeled images are training images of the first source, all of them unless ``num_labels`` says how many, and the
unlabeled ones the training images of the second, with those it brings without labels; ``include_lb_to_ulb`` has no
part in it. What is reported is accuracy on the test images of the second.

The best model is chosen without a label of the second: by ``validation_size`` training images of the first (or its own
validation part) or, without them, by the test images of the first.

All images are resized to ``img_size`` (bicubic) and preprocessed by the statistics of the first source's training
images, so that nothing of the second goes into them; ``preprocessing: minus_one_to_one`` takes 0.5 and 0.5 instead.
They are mirrored only where both sources allow it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from usb_negsamp.data import (
    FOLDER,
    ImageArrays,
    ImageSource,
    Split,
    SplitRecord,
    adaptation_record,
    check_same_classes,
    format_of_source,
    labeled_split,
    load_source,
)
from usb_negsamp.data.sources.chosen_images import ChosenImages
from usb_negsamp.data.sources.own_pictures.options import FolderOptions
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict
from usb_negsamp.host.datasets.dataset_parts import (
    DatasetParts,
    image_digest,
    split_seed,
    split_sizes,
    unknown_targets,
    validation_shares,
)
from usb_negsamp.value_types import ALL

KEYS = ("labeled_dataset", "unlabeled_dataset", "labeled_dir", "unlabeled_dir")


def adapts(args: Any) -> bool:
    """Whether labels and unlabeled images are to come from two data sets."""
    return any(getattr(args, key, None) for key in KEYS)


def build_adaptation(
    args: Any, algorithm: str, dataset: str, num_labels: int | str | None, num_classes: int, data_dir: str
) -> DatasetDict:
    """Build the host's dictionary of data sets from two sources.

    Raises:
        ConfigError: the two are the same or have different classes; there is nothing to choose a model by or to
            test on; ``num_labels`` cannot be shared by the classes.
    """
    labeled, unlabeled = _sources(args, dataset, data_dir)
    check_same_classes(labeled, unlabeled)
    if num_classes != len(labeled.classes):
        raise ConfigError(
            f"num_classes: expected {len(labeled.classes)}, the classes of labeled_dataset {labeled.name!r}, "
            f"but got {num_classes}"
        )
    if args.lb_imb_ratio != 1 or args.ulb_imb_ratio != 1:
        raise ConfigError(
            "lb_imb_ratio and ulb_imb_ratio: expected 1 with labeled_dataset and unlabeled_dataset, "
            f"but got {args.lb_imb_ratio} and {args.ulb_imb_ratio}"
        )
    split = _split(args, labeled, num_labels, num_classes)
    # The host's own trackers (wandb, aim) name a run by it.
    args.num_labels = len(split.labeled)
    pool = _pool(unlabeled)
    validation, chosen_by = _validation(labeled, split)
    if unlabeled.test is None:
        raise ConfigError(f"unlabeled_dataset {unlabeled.name!r} has no test images, which the result is taken from")
    digest = image_digest(
        *(part for source in (labeled, unlabeled) for part in (source.train, source.unlabeled)),
        *(part for source in (labeled, unlabeled) for part in (source.validation, source.test)),
    )
    record = _record(labeled, unlabeled, split, len(pool), f"{len(validation)} {chosen_by} images of {labeled.name}")

    mirrored = labeled.horizontal_flip and unlabeled.horizontal_flip
    parts = DatasetParts(args, algorithm, dataclasses.replace(labeled, horizontal_flip=mirrored), num_classes)
    indices = split.labeled
    if algorithm == "fullysupervised":
        indices = np.union1d(split.labeled, split.unlabeled)
    labeled_part = labeled.train.chosen(indices)
    datasets = {
        "train_lb": parts.labeled(labeled_part.images, labeled_part.targets),
        "train_ulb": parts.unlabeled(pool, unknown_targets(len(pool))),
        "eval": parts.evaluated(validation.images, validation.targets),
        "test": parts.evaluated(unlabeled.test.images, unlabeled.test.targets),
    }
    images = format_of_source(labeled, parts.views.preprocessing, args.img_size)
    num_held_out = len(split.validation)
    built = BuiltData(len(split.labeled), digest, record.digest, record, images, num_held_out=num_held_out)
    return DatasetDict(datasets, built)


def _sources(args: Any, dataset: str, data_dir: str) -> tuple[ImageSource, ImageSource]:
    names = [getattr(args, f"{part}_dataset", None) or dataset for part in ("labeled", "unlabeled")]
    folders = [getattr(args, f"{part}_dir", None) or data_dir for part in ("labeled", "unlabeled")]
    if names[0] == names[1] and folders[0] == folders[1]:
        raise ConfigError(
            f"labeled_dataset and unlabeled_dataset: expected two data sets, but got {names[0]!r} in {folders[0]} "
            "for both"
        )
    flip, read = getattr(args, "horizontal_flip", None), FolderOptions.from_arguments(args)
    labeled, unlabeled = (
        load_source(name, data_dir=folder, img_size=args.img_size, horizontal_flip=flip, folder=read)
        for name, folder in zip(names, folders, strict=True)
    )
    return labeled, unlabeled


def _split(args: Any, labeled: ImageSource, num_labels: int | str | None, num_classes: int) -> Split:
    sizes = split_sizes(args, labeled, ALL if num_labels is None else num_labels)
    return labeled_split(
        labeled.train.targets,
        num_labels=sizes.num_labels,
        num_classes=num_classes,
        validation_size=sizes.validation,
        split_seed=split_seed(args),
        validation_shares=validation_shares(args),
        uneven=labeled.name == FOLDER,
        classes=labeled.classes,
    )


def _validation(labeled: ImageSource, split: Split) -> tuple[ImageArrays, str]:
    if labeled.validation is not None:
        return labeled.validation, "validation"
    if len(split.validation):
        return labeled.train.chosen(split.validation), "held-out training"
    if labeled.test is not None:
        return labeled.test, "test"
    raise ConfigError(
        f"labeled_dataset {labeled.name!r}: expected test images or validation_size above 0 to choose the model by, "
        "but there is neither"
    )


def _pool(source: ImageSource) -> ChosenImages:
    parts = (source.train,) if source.unlabeled is None else (source.train, source.unlabeled)
    return ChosenImages(*((part.images, None) for part in parts))


def _record(
    labeled: ImageSource, unlabeled: ImageSource, split: Split, num_unlabeled: int, chosen_by: str
) -> SplitRecord:
    assert unlabeled.test is not None
    record = adaptation_record(
        split,
        labeled=labeled.name,
        unlabeled=unlabeled.name,
        classes=labeled.classes,
        num_unlabeled=num_unlabeled,
        chosen_by=chosen_by,
        num_test=len(unlabeled.test),
    )
    return record.with_notes(labeled, unlabeled)
