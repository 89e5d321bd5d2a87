"""The host's data sets for labels of some classes and a pool that holds others, too (key ``seen_classes``).

The labeled images are of the seen classes; the pool is what ``mismatch_protocol`` makes it, whatever
``include_lb_to_ulb`` says; validation and test images that choose and report a model are of the seen classes alone.
Classes are numbered anew, the seen ones 0..S-1. The pool's targets are -1 for every algorithm, but
``fullysupervised``, the bound that knows the labels, trains on the pool's images of seen classes as labeled ones.

Images that a source brings without any label (STL-10's 100,000, the ``unlabeled`` folder of a user's own pictures)
join the pool under ``whole_pool``, where they count neither in delta nor in tau; the other protocols, whose counts are
exact, leave them out and say so.

The dictionary of data sets gets one entry beside the host's four: ``dataset_dict["open_set"]``, an
:class:`OpenSetData`, for evaluation and diagnosis. No train step reads it, and no other entry knows the pool's labels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from usb_negsamp.data import (
    ImageArrays,
    ImageFormat,
    ImageSource,
    OpenSetSplit,
    SplitRecord,
    chosen_classes,
    format_of_source,
    load_outliers,
    number_of_classes,
    open_set_record,
    open_set_split,
    outlier_name,
)
from usb_negsamp.data.sources.chosen_images import ChosenImages
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.built_data import BuiltData, DatasetDict
from usb_negsamp.host.datasets.dataset_parts import (
    UNKNOWN,
    DatasetParts,
    Images,
    image_digest,
    split_seed,
    split_sizes,
    unknown_targets,
    validation_shares,
)
from usb_negsamp.value_types import class_list, name_list


@dataclass(frozen=True)
class OpenSetData:
    """What open-set evaluation and diagnosis read; all images are under the evaluation transform.

    Attributes:
        num_seen: S, the width of the classifier's head.
        split: the index arrays, the map of classes and the counts.
        pool: the unlabeled images, in the order of ``train_ulb`` (``idx_ulb``); seen classes are 0..S-1, unseen ones
            S and above, -1 where no label is known.
        test: all test images, seen and unseen, in the same numbering; None where the source has none.
        ood: images of other data sets by name (key ``ood_data``); all targets are -1.
    """

    num_seen: int
    split: OpenSetSplit
    pool: BasicDataset
    test: BasicDataset | None
    ood: dict[str, BasicDataset]


def check_even(args: Any, name: str) -> None:
    """Refuse the host's imbalance, which our splits do not have.

    Raises:
        ConfigError: ``lb_imb_ratio`` or ``ulb_imb_ratio`` is not 1.
    """
    if args.lb_imb_ratio != 1 or args.ulb_imb_ratio != 1:
        raise ConfigError(
            f"lb_imb_ratio and ulb_imb_ratio: expected 1 for dataset {name!r}, which is split evenly over its "
            f"classes, but got {args.lb_imb_ratio} and {args.ulb_imb_ratio}"
        )


def labels_per_class(num_labels: int | None, num_seen: int) -> int:
    """Return the labels of each seen class.

    Raises:
        ConfigError: ``num_labels`` is not a multiple of ``num_seen``.

    >>> labels_per_class(2400, 6)
    400
    """
    if not num_labels or num_labels % num_seen:
        near = max(num_seen, round((num_labels or 0) / num_seen) * num_seen)
        raise ConfigError(
            f"num_labels: expected a multiple of the number of seen classes, but got {num_labels} labels for "
            f"{num_seen} seen classes; nearest: {near}"
        )
    return num_labels // num_seen


def build_open_set(
    args: Any, algorithm: str, source: ImageSource, num_labels: int | None, num_classes: int, data_dir: str
) -> DatasetDict:
    """Build the host's dictionary of data sets, and its entry ``open_set``.

    Raises:
        ConfigError: options that contradict each other or the data; a class with too few images.
    """
    parts = DatasetParts(args, algorithm, source, num_classes)
    ood = _outliers(args, source.name, parts, data_dir)
    opened = open_set_datasets(args, algorithm, source, parts, num_labels, num_classes, ood)
    class_map = opened.split.class_map
    seen = [label for label in class_map if class_map[label] < opened.split.num_seen]
    images = format_of_source(source, parts.views.preprocessing, args.img_size, sorted(seen, key=class_map.__getitem__))
    digest = image_digest(source.train, source.unlabeled, source.validation, source.test)
    return opened.with_record(num_labels, digest, images)


class MakesDatasets(Protocol):
    """Makes the host's data sets of one run, of samples of one kind."""

    def labeled(self, images: Images, targets: np.ndarray) -> Any:
        """Labeled samples for training."""

    def unlabeled(self, images: Images, targets: np.ndarray) -> Any:
        """Unlabeled samples with the views of the algorithm."""

    def evaluated(self, images: Images, targets: np.ndarray) -> Any:
        """Samples as they are, and their labels."""

    def evaluated_like(self, dataset: Any, targets: np.ndarray) -> Any:
        """The samples of ``dataset`` as they are, with labels of their own."""


class OpenSetDatasets(NamedTuple):
    """The data sets of an open-set split, and what is recorded of it."""

    datasets: dict[str, Any]
    split: OpenSetSplit
    record: SplitRecord

    def with_record(self, num_labels: int | None, digest: str, images: ImageFormat | None) -> DatasetDict:
        """The host's dictionary of data sets, which carries what a run records of them.

        Args:
            num_labels: as asked.
            digest: of all samples and labels.
            images: what they are to the network; None for samples that are no images.
        """
        num_held_out = len(self.split.validation)
        record = self.record
        built = BuiltData(num_labels, digest, record.digest, record, images, num_held_out=num_held_out)
        return DatasetDict(self.datasets, built)


def open_set_datasets(
    args: Any,
    algorithm: str,
    source: ImageSource,
    parts: MakesDatasets,
    num_labels: int | None,
    num_classes: int,
    ood: dict[str, Any],
) -> OpenSetDatasets:
    """Split ``source``, and make the data sets of it: the host's four and ``open_set``.

    Args:
        args: the run's arguments.
        algorithm: the name by which the host's data sets choose the views of a sample.
        source: the samples before the split. No pixel of them is read here.
        parts: makes a data set of some of them.
        num_labels: of all seen classes.
        num_classes: K.
        ood: data sets of other sources by their names.

    Raises:
        ConfigError: options that contradict each other or the data; a class with too few samples.
    """
    check_even(args, source.name)
    protocol = getattr(args, "mismatch_protocol", None) or "fixed_total"
    split = _split(args, source, num_labels, num_classes, protocol)
    extra = source.unlabeled if protocol == "whole_pool" else None

    train = ImageArrays(source.train.images, split.new_targets(source.train.targets))
    labeled = train.chosen(_labeled_indices(algorithm, split, train.targets))
    pool: list[tuple[Images, np.ndarray | None]] = [(train.images, split.unlabeled)]
    pool_targets = train.targets[split.unlabeled]
    if extra is not None:
        pool.append((extra.images, None))
        pool_targets = np.concatenate([pool_targets, unknown_targets(len(extra))])
    unlabeled = parts.unlabeled(ChosenImages(*pool), unknown_targets(len(pool_targets)))
    evaluated, test = _evaluated(source, split, train)
    datasets = {
        "train_lb": parts.labeled(labeled.images, labeled.targets),
        "train_ulb": unlabeled,
        "eval": parts.evaluated(evaluated[0].images, evaluated[0].targets),
        "test": parts.evaluated(evaluated[1].images, evaluated[1].targets) if len(evaluated) > 1 else None,
        "open_set": OpenSetData(
            num_seen=split.num_seen,
            split=split,
            pool=parts.evaluated_like(unlabeled, pool_targets),
            test=None if test is None else parts.evaluated(test.images, test.targets),
            ood=ood,
        ),
    }
    return OpenSetDatasets(datasets, split, _record(source, split, protocol, evaluated, test))


def _record(
    source: ImageSource, split: OpenSetSplit, protocol: str, evaluated: list[ImageArrays], test: ImageArrays | None
) -> SplitRecord:
    """The record of the run; ``evaluated`` and ``test`` as :func:`_evaluated` gives them."""
    num_unknown = 0 if source.unlabeled is None else len(source.unlabeled)
    taken_in = num_unknown if protocol == "whole_pool" else 0
    num_seen_test = 0 if test is None else len(evaluated[-1])
    record = open_set_record(
        split,
        source=source.name,
        protocol=protocol,
        classes=source.classes,
        num_unknown=taken_in,
        num_validation=0 if len(evaluated) == 1 and test is not None else len(evaluated[0]),
        num_test=(num_seen_test, 0 if test is None else len(test) - num_seen_test),
    )
    left_out = f"{num_unknown} images of {source.name} without a label are left out: only whole_pool takes them in"
    more = (left_out,) if taken_in < num_unknown else ()
    return dataclasses.replace(record, lines=(*record.lines, *more)).with_notes(source)


def _split(args: Any, source: ImageSource, num_labels: int | None, num_classes: int, protocol: str) -> OpenSetSplit:
    wanted = class_list(args.seen_classes)
    num_seen = number_of_classes(wanted)
    if num_classes != num_seen:
        raise ConfigError(f"num_classes: expected {num_seen}, the number of seen_classes, but got {num_classes}")
    return open_set_split(
        source.train.targets,
        seen_classes=chosen_classes(wanted, source.classes, source.name, getattr(args, "class_order", None) or "label"),
        labels_per_class=labels_per_class(num_labels, num_seen),
        num_unlabeled=getattr(args, "num_unlabeled", None),
        mismatch=getattr(args, "mismatch_ratio", None),
        protocol=protocol,
        validation=split_sizes(args, source, num_labels or 0).validation,
        seed=split_seed(args),
        validation_shares=validation_shares(args),
        classes=source.classes,
    )


def _labeled_indices(algorithm: str, split: OpenSetSplit, targets: np.ndarray) -> np.ndarray:
    if algorithm != "fullysupervised":
        return split.labeled
    of_seen = split.unlabeled[targets[split.unlabeled] < split.num_seen]
    return np.union1d(split.labeled, of_seen)


def _evaluated(
    source: ImageSource, split: OpenSetSplit, train: ImageArrays
) -> tuple[list[ImageArrays], ImageArrays | None]:
    """Return the parts of seen classes, validation first, and all test images."""
    validation, test = (
        None if part is None else ImageArrays(part.images, split.new_targets(part.targets))
        for part in (source.validation, source.test)
    )
    if validation is None and len(split.validation):
        validation = train.chosen(split.validation)
    parts = [_of_seen(part, split.num_seen) for part in (validation, test) if part is not None]
    if not parts or not all(len(part) for part in parts):
        raise ConfigError(
            f"dataset {source.name!r}: expected test images of seen classes, or validation_size large enough to hold "
            "some, but there are none"
        )
    return parts, test


def _of_seen(part: ImageArrays, num_seen: int) -> ImageArrays:
    seen = (part.targets != UNKNOWN) & (part.targets < num_seen)
    return part.chosen(np.flatnonzero(seen))


def _outliers(args: Any, own_name: str, parts: DatasetParts, data_dir: str) -> dict[str, BasicDataset]:
    asked: Sequence[str] = name_list(args.ood_data) if getattr(args, "ood_data", None) else ()
    found: dict[str, BasicDataset] = {}
    for name in asked:
        shown = outlier_name(name)
        if name == own_name or shown in found:
            other = "it is the data set of the run" if name == own_name else "the name is given twice"
            raise ConfigError(f"ood_data: expected other data sets, each once, but got {name!r}: {other}")
        images = load_outliers(name, data_dir=data_dir, img_size=args.img_size)
        found[shown] = parts.evaluated(images, unknown_targets(len(images)))
    return found
