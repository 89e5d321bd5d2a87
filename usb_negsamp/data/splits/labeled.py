"""Which training images are labeled, unlabeled or held out for validation.

A split depends on its options alone: ``drawing`` puts each class in an order that is the same on every machine.

Labels come from the front of a class's order and validation from its end. So, for one ``split_seed``, the labeled
images for 250 labels are among those for 4,000, and validation stays the same for all numbers of labels.

A data set may define labeled parts of its own, as STL-10 does with ten folds of 1,000 images. For that number of labels
the seed of the split is the number of the fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from usb_negsamp.data.splits.sampling import (
    ascending,
    check_targets,
    class_order,
    held_out_shares,
    nearly_equal_shares,
    split_digest,
    whole_number,
)
from usb_negsamp.errors import ConfigError


@dataclass(frozen=True)
class Split:
    """Disjoint, ascending index arrays (int64) into the training targets; together they cover all of them.

    Attributes:
        labeled: images whose labels are used.
        unlabeled: all others that are not validation.
        validation: images held out for the selection of a model.
        digest: sha256, in hex, of the options and the arrays; equal on every platform.
    """

    labeled: np.ndarray
    unlabeled: np.ndarray
    validation: np.ndarray
    digest: str


def labeled_split(
    targets: np.ndarray,
    *,
    num_labels: int,
    num_classes: int,
    validation_size: int,
    split_seed: int,
    folds: Sequence[np.ndarray] = (),
    validation_shares: str = "proportional",
    uneven: bool = False,
    classes: Sequence[str] = (),
) -> Split:
    """Draw a class-balanced labeled part and a stratified validation part.

    Args:
        targets: (N,) class indices; an image with -1 has no known label and always ends up in ``unlabeled``.
        num_labels: labeled images over all classes: a multiple of ``num_classes``, or exactly all that have a label
            and are not held out for validation; with ``uneven`` any number of at least ``num_classes``.
        num_classes: number of classes K.
        validation_size: images held out.
        split_seed: non-negative; the only source of chance.
        folds: labeled parts that the data set itself defines, as indices into ``targets``. Where their size is
            ``num_labels``, fold ``split_seed`` is the labeled part, and the validation part is drawn from the others.
        validation_shares: of the classes in the validation part, ``proportional`` to their sizes or ``equal``.
        uneven: whether ``num_labels`` need be no multiple: what is left of equal shares goes to the largest classes,
            one label each.
        classes: names, for messages; without any, classes are named by their indices.

    Raises:
        ConfigError: ``num_labels`` is neither such a multiple nor all; a class has too few images, or none with a
            label is left of it; a target is out of range; there is no fold ``split_seed``.
    """
    targets = np.asarray(targets)
    check_targets(targets)
    options: dict[str, Any] = {
        "num_labels": whole_number("num_labels", num_labels, 1),
        "num_classes": whole_number("num_classes", num_classes, 2),
        "validation_size": whole_number("validation_size", validation_size, 0),
        "split_seed": whole_number("split_seed", split_seed, 0),
    }
    if validation_shares != "proportional":
        options["validation_shares"] = validation_shares
    _check_range(targets, num_classes)
    sizes = np.bincount(targets[targets >= 0], minlength=num_classes)
    num_known = int(sizes.sum())
    if validation_size >= num_known:
        raise ConfigError(f"validation_size={validation_size} leaves nothing of {num_known} images with a label")
    validation_sizes = held_out_shares(validation_size, sizes, validation_shares)
    fold = _fold(folds, num_labels, split_seed)
    if fold is not None:
        labeled_sizes = np.bincount(targets[fold], minlength=num_classes)
    elif num_labels == num_known - validation_size:
        labeled_sizes = sizes - validation_sizes
    elif uneven:
        whole_number("num_labels", num_labels, num_classes)
        labeled_sizes = nearly_equal_shares(num_labels, sizes)
    else:
        labeled_sizes = np.full(num_classes, _labels_per_class(num_labels, num_classes))
    names = classes or [str(label) for label in range(num_classes)]
    _check_sizes(sizes, labeled_sizes, validation_sizes, names)
    if uneven:
        _check_each_has_labels(sizes, labeled_sizes, names)

    labeled, validation = [], []
    for label in range(num_classes):
        members = class_order(targets, label, split_seed)
        if fold is not None:
            in_fold = np.isin(members, fold)
            members = np.concatenate([members[in_fold], members[~in_fold]])
        labeled.append(members[: labeled_sizes[label]])
        validation.append(members[len(members) - validation_sizes[label] :])

    arrays = {"labeled": ascending(labeled), "validation": ascending(validation)}
    is_rest = np.ones(len(targets), dtype=bool)
    is_rest[arrays["labeled"]] = False
    is_rest[arrays["validation"]] = False
    arrays["unlabeled"] = np.flatnonzero(is_rest).astype(np.int64)
    return Split(**arrays, digest=split_digest(options, arrays))


def _fold(folds: Sequence[np.ndarray], num_labels: int, split_seed: int) -> np.ndarray | None:
    """Return the fold that is the labeled part, or None where ``num_labels`` is not the folds' size."""
    if not folds or num_labels != len(folds[0]):
        return None
    if split_seed >= len(folds):
        raise ConfigError(
            f"split_seed: expected 0 to {len(folds) - 1}, because the data set defines {len(folds)} parts of "
            f"{num_labels} labeled images, but got {split_seed}"
        )
    return folds[split_seed]


def _check_range(targets: np.ndarray, num_classes: int) -> None:
    if len(targets) and (targets.min() < -1 or targets.max() >= num_classes):
        raise ConfigError(
            f"targets: expected -1..{num_classes - 1} for num_classes={num_classes}, "
            f"but got {targets.min()}..{targets.max()}"
        )


def _labels_per_class(num_labels: int, num_classes: int) -> int:
    if num_labels % num_classes:
        below = num_labels // num_classes * num_classes
        nearest = f"{below} and {below + num_classes}" if below else f"{num_classes}"
        raise ConfigError(
            f"num_labels={num_labels} cannot be shared equally by {num_classes} classes; nearest that can: {nearest}"
        )
    return num_labels // num_classes


def _check_each_has_labels(sizes: np.ndarray, labeled_sizes: np.ndarray, names: Sequence[str]) -> None:
    without = np.flatnonzero(labeled_sizes == 0)
    if len(without):
        label = int(without[0])
        raise ConfigError(
            f"class {names[label]} has {sizes[label]} images, none of which is left to be labeled: the other classes "
            f"have all {labeled_sizes.sum()} labels; give a smaller validation_size, or more labels"
        )


def _check_sizes(
    sizes: np.ndarray, labeled_sizes: np.ndarray, validation_sizes: np.ndarray, names: Sequence[str]
) -> None:
    short = np.flatnonzero(labeled_sizes + validation_sizes > sizes)
    if len(short) == 0:
        return
    label = int(short[0])
    more = f" (and {len(short) - 1} more classes are too small)" if len(short) > 1 else ""
    raise ConfigError(
        f"class {names[label]} has {sizes[label]} images, but {labeled_sizes[label]} labeled and "
        f"{validation_sizes[label]} validation images are asked of it{more}; smallest class: {sizes.min()} images"
    )
