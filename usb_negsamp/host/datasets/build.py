"""Our data sources as the host's data sets.

Three kinds of run build on them: labels and unlabeled images of the same classes (here), a pool that holds classes
without labels (``seen_classes``, :mod:`usb_negsamp.host.datasets.open_set`), and labels and unlabeled images from two
data sets (``labeled_dataset``, :mod:`usb_negsamp.host.datasets.domain_adaptation`).
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from semilearn.core.utils import build as host_build

from usb_negsamp.data import (
    FOLDER,
    HOST_SOURCES,
    SOURCES,
    ImageSource,
    closed_record,
    format_of_source,
    labeled_split,
    load_source,
)
from usb_negsamp.data.sources.chosen_images import ChosenImages
from usb_negsamp.data.sources.own_pictures.options import FolderOptions
from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict
from usb_negsamp.host.datasets.dataset_parts import (
    DatasetParts,
    Images,
    image_digest,
    split_seed,
    split_sizes,
    validation_shares,
)
from usb_negsamp.host.datasets.domain_adaptation import adapts, build_adaptation
from usb_negsamp.host.datasets.open_set import build_open_set, check_even
from usb_negsamp.host.datasets.registry import EXTRA_DATASETS, Loader, list_in_host
from usb_negsamp.host.datasets.texts_and_sounds.build import texts_or_sounds
from usb_negsamp.media import MEDIA
from usb_negsamp.value_types import ALL

KEYS_OF_OUR_SOURCES = ("validation_size", "preprocessing", "augmentation", "seen_classes")
"""Keys that the host's own loaders do not carry out."""


def build_source(
    args: Any,
    algorithm: str,
    dataset: str,
    num_labels: int | str | None,
    num_classes: int,
    data_dir: str = "./data",
    include_lb_to_ulb: bool = True,
) -> DatasetDict:
    """Build the host's dictionary of data sets from our sources.

    Validation images (``validation_size``, or the source's own) are the host's ``eval``, by which the best model is
    chosen, and the test images its ``test``; without a validation part the test images are ``eval``, as everywhere in
    the host (but for two data sets: see :mod:`usb_negsamp.host.datasets.domain_adaptation`).
    """
    if adapts(args):
        return build_adaptation(args, algorithm, dataset, num_labels, num_classes, data_dir)
    source = load_source(
        dataset,
        data_dir=data_dir,
        img_size=args.img_size,
        horizontal_flip=getattr(args, "horizontal_flip", None),
        folder=FolderOptions.from_arguments(args),
    )
    if getattr(args, "seen_classes", None) is not None:
        if num_labels == ALL:
            raise expected("num_labels", "a multiple of the number of seen classes", ALL)
        asked = None if num_labels is None else int(num_labels)
        return build_open_set(args, algorithm, source, asked, num_classes, data_dir)
    if num_labels is None:
        raise ConfigError("num_labels: expected a number, but got none")
    return _build_closed(args, algorithm, source, num_labels, num_classes, include_lb_to_ulb)


def _build_closed(
    args: Any, algorithm: str, source: ImageSource, asked_labels: int | str, num_classes: int, include_lb_to_ulb: bool
) -> DatasetDict:
    if num_classes != len(source.classes):
        raise ConfigError(
            f"num_classes: expected {len(source.classes)}, the classes of dataset {source.name!r}, "
            f"but got {num_classes}"
        )
    check_even(args, source.name)
    train = source.train
    num_labels, num_held_out = split_sizes(args, source, asked_labels)
    # The host's own trackers (wandb, aim) name a run by it.
    args.num_labels = num_labels
    split = labeled_split(
        train.targets,
        num_labels=num_labels,
        num_classes=num_classes,
        validation_size=num_held_out,
        split_seed=split_seed(args),
        folds=source.folds,
        validation_shares=validation_shares(args),
        uneven=source.name == FOLDER,
        classes=source.classes,
    )

    parts = DatasetParts(args, algorithm, source, num_classes)
    labeled = split.labeled
    in_pool = np.concatenate([split.labeled, split.unlabeled]) if include_lb_to_ulb else split.unlabeled
    pool: list[tuple[Images, np.ndarray | None]] = [(train.images, in_pool)]
    unlabeled_targets = train.targets[in_pool]
    if source.unlabeled is not None:
        pool.append((source.unlabeled.images, None))
        unlabeled_targets = np.concatenate([unlabeled_targets, source.unlabeled.targets])
    # Not copied: the pool may be most of what memory holds, or lie in a file.
    unlabeled_images = ChosenImages(*pool)
    if algorithm == "fullysupervised":
        labeled = np.concatenate([split.labeled, split.unlabeled])

    if not len(unlabeled_images):
        raise ConfigError(
            f"num_labels={num_labels} and validation_size={len(split.validation)} leave no unlabeled images of "
            f"{len(train)} in dataset {source.name!r}; give fewer, or include_lb_to_ulb true"
        )

    validation = source.validation
    if validation is None and len(split.validation):
        validation = train.chosen(split.validation)
    held_out = [part for part in (validation, source.test) if part is not None]
    if not held_out:
        raise ConfigError(
            f"dataset {source.name!r}: expected test images or validation_size above 0, but there is neither"
        )
    record = closed_record(
        split,
        source=source.name,
        classes=source.classes,
        num_unknown=0 if source.unlabeled is None else len(source.unlabeled),
        includes_labeled=include_lb_to_ulb,
        num_validation=0 if validation is None else len(validation),
        num_test=0 if source.test is None else len(source.test),
    )
    record = record.with_notes(source)
    labeled_part = train.chosen(labeled)
    evaluated = [parts.evaluated(part.images, part.targets) for part in held_out]
    datasets = {
        "train_lb": parts.labeled(labeled_part.images, labeled_part.targets),
        "train_ulb": parts.unlabeled(unlabeled_images, unlabeled_targets),
        "eval": evaluated[0],
        "test": evaluated[1] if len(evaluated) > 1 else None,
    }
    digest = image_digest(train, source.unlabeled, source.validation, source.test)
    images = format_of_source(source, parts.views.preprocessing, args.img_size)
    built = BuiltData(num_labels, digest, record.digest, record, images, num_held_out=num_held_out)
    return DatasetDict(datasets, built)


def host_or_source(host_loader: Loader) -> Loader:
    """Return a loader that is the host's own unless a key asks for what only our sources offer."""

    def load(args: Any, *names: Any, **options: Any) -> dict[str, Any]:
        ours = adapts(args) or any(getattr(args, key, None) for key in KEYS_OF_OUR_SOURCES)
        return (build_source if ours else host_loader)(args, *names, **options)

    return load


def offer_sources() -> None:
    """Make our sources data sets of the host. Repeating it is harmless."""
    EXTRA_DATASETS.update(dict.fromkeys(SOURCES, build_source))
    host_loader = inspect.unwrap(host_build.get_dataset)
    for name in HOST_SOURCES:
        EXTRA_DATASETS.setdefault(name, host_or_source(host_loader))
    for medium in MEDIA:
        for name in medium.datasets:
            EXTRA_DATASETS.setdefault(name, texts_or_sounds(host_loader))
    list_in_host(EXTRA_DATASETS)
