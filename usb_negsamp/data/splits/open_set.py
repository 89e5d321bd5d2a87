"""Splits whose unlabeled images hold classes that the labels do not have, by the protocols of ``protocols``.

The order of a class is that of ``labeled_split`` with the same seed: labels from the front, validation from the end,
unlabeled images behind the labels. So labels and validation are the same for all mismatches, and a class's unlabeled
images for a lower count are among those for a higher one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from usb_negsamp.data.splits.protocols import WHOLE_CLASSES, checked_mismatch
from usb_negsamp.data.splits.sampling import (
    ascending,
    check_targets,
    class_order,
    held_out_shares,
    split_digest,
    whole_number,
)
from usb_negsamp.errors import ConfigError, unknown


@dataclass(frozen=True)
class OpenSetSplit:
    """Ascending index arrays (int64) into the training targets, and what they amount to.

    Attributes:
        labeled: images of seen classes whose labels are used.
        unlabeled: the pool; holds labeled images too where ``includes_labeled``.
        validation: images of all classes, disjoint from both; those of seen classes serve to select a model.
        class_map: original class to new class; seen ones ascending to 0..S-1, unseen ones ascending to S...
        num_seen: S, the width of the classifier's head.
        counts: images per original class, under ``labeled``, ``unlabeled`` and ``validation``.
        mismatch: delta, the share of the pool that is of unseen classes, as it came out.
        labeled_ratio: tau = m/n, labeled over unlabeled images.
        includes_labeled: whether the pool keeps the labeled images of its classes.
        digest: sha256, in hex, of the options and the arrays; equal on every platform.
    """

    labeled: np.ndarray
    unlabeled: np.ndarray
    validation: np.ndarray
    class_map: dict[int, int]
    num_seen: int
    counts: dict[str, tuple[int, ...]]
    mismatch: float
    labeled_ratio: float
    includes_labeled: bool
    digest: str

    def new_targets(self, targets: np.ndarray) -> np.ndarray:
        """Return ``targets`` (of any part, e.g. test) by ``class_map``, int64; below ``num_seen`` means seen.

        Raises:
            ConfigError: a target is no class of the training images.
        """
        targets = np.asarray(targets)
        check_targets(targets)
        num_classes = len(self.class_map)
        if len(targets) and (targets.min() < 0 or targets.max() >= num_classes):
            raise ConfigError(
                f"targets: expected 0..{num_classes - 1}, the classes of the split, "
                f"but got {targets.min()}..{targets.max()}"
            )
        originals = np.array([self.class_map[label] for label in range(num_classes)], dtype=np.int64)
        return np.take(originals, targets)


def open_set_split(
    targets: np.ndarray,
    *,
    seen_classes: Sequence[int],
    labels_per_class: int,
    num_unlabeled: int | None = None,
    mismatch: float | None = None,
    protocol: str = "fixed_total",
    validation: int = 0,
    seed: int = 0,
    validation_shares: str = "proportional",
    classes: Sequence[str] = (),
) -> OpenSetSplit:
    """Split training images into labeled ones of seen classes, a pool of seen and unseen ones, and validation.

    Args:
        targets: (N,) class of each training image, 0..C-1; none may be unknown.
        seen_classes: at least two; their order does not matter.
        labels_per_class: labeled images of each seen class.
        num_unlabeled: size of the pool before rounding (``fixed_total``), or of its seen part (``fixed_seen``); the
            other protocols take all images of their classes and do not use it.
        mismatch: share in [0, 1], counted to six decimals. ``class_swap``: a multiple of 1/min(S, U), of S seen and U
            unseen classes. ``whole_pool``: None, or what the data set has.
        protocol: ``fixed_total``, ``fixed_seen``, ``class_swap`` or ``whole_pool``.
        validation: images held out first, of all classes.
        seed: non-negative; the only source of chance.
        validation_shares: of all classes in the validation part, ``proportional`` to their sizes or ``equal``.
        classes: names of all classes, for messages; without any, classes are named by their indices.

    Raises:
        ConfigError: an option is out of range, or a class has too few images for what is asked of it.
    """
    targets = np.asarray(targets)
    sizes = _class_sizes(targets)
    seen = _seen(seen_classes, len(sizes))
    unseen = [label for label in range(len(sizes)) if label not in seen]
    wanted = checked_mismatch(protocol, mismatch, num_unlabeled, seen, unseen)
    includes_labeled = protocol in WHOLE_CLASSES
    options: dict[str, Any] = {
        "seen_classes": seen,
        "labels_per_class": whole_number("labels_per_class", labels_per_class, 1),
        "num_unlabeled": wanted.num_unlabeled,
        "mismatch": None if wanted.share is None or protocol == "whole_pool" else float(wanted.share),
        "protocol": protocol,
        "validation": whole_number("validation", validation, 0),
        "seed": whole_number("seed", seed, 0),
    }
    if validation_shares != "proportional":
        options["validation_shares"] = validation_shares
    if validation >= len(targets):
        raise ConfigError(f"validation={validation} leaves nothing of {len(targets)} images")

    validation_sizes = held_out_shares(validation, sizes, validation_shares)
    labeled_sizes = np.zeros_like(sizes)
    labeled_sizes[seen] = labels_per_class
    pool_sizes = wanted.pool_sizes(sizes - validation_sizes)
    asked = {"labeled": labeled_sizes, "unlabeled": pool_sizes, "validation": validation_sizes}
    if includes_labeled:
        del asked["unlabeled"]
    _check_sizes(sizes, asked, seen, options, classes or [str(label) for label in range(len(sizes))])

    parts: dict[str, list[np.ndarray]] = {"labeled": [], "unlabeled": [], "validation": []}
    for label, size in enumerate(sizes):
        members = class_order(targets, label, seed)
        parts["labeled"].append(members[: labeled_sizes[label]])
        first = 0 if includes_labeled else labeled_sizes[label]
        parts["unlabeled"].append(members[first : first + pool_sizes[label]])
        parts["validation"].append(members[size - validation_sizes[label] :])
    arrays = {name: ascending(indices) for name, indices in parts.items()}

    counts = {name: np.bincount(targets[indices], minlength=len(sizes)) for name, indices in arrays.items()}
    total = len(arrays["unlabeled"])
    if total == 0:
        raise ConfigError(f"protocol {protocol} leaves no unlabeled images of {len(targets)}")
    return OpenSetSplit(
        **arrays,
        class_map={label: new for new, label in enumerate([*seen, *unseen])},
        num_seen=len(seen),
        counts={name: tuple(int(count) for count in per_class) for name, per_class in counts.items()},
        mismatch=int(counts["unlabeled"][unseen].sum()) / total,
        labeled_ratio=len(arrays["labeled"]) / total,
        includes_labeled=includes_labeled,
        digest=split_digest(options, arrays),
    )


def seen_class_indices(seen_classes: Sequence[int | str], classes: Sequence[str]) -> tuple[int, ...]:
    """Return the indices of seen classes that are given by name or by index.

    Args:
        seen_classes: names from ``classes``, indices into it, or both.
        classes: all class names; the position is the index.

    Raises:
        ConfigError: a class is unknown; the nearest is named.

    >>> seen_class_indices(["dog", 0], ["bird", "cat", "dog"])
    (2, 0)
    """
    _check_list(seen_classes)
    return tuple(_class_index(entry, classes) for entry in seen_classes)


def _class_index(entry: int | str, classes: Sequence[str]) -> int:
    if not isinstance(entry, str):
        if str(entry) in classes and list(classes).index(str(entry)) != entry:
            # Folders that are named by numbers: text order puts 10 before 2, and the index of 2 is not 2.
            raise ConfigError(
                f"seen_classes: {entry} is the name of class {list(classes).index(str(entry))}, not of class {entry}; "
                f"give classes with such names in a YAML file, in quotes, or name the folders otherwise"
            )
        return _known(entry, len(classes))
    if entry in classes:
        return list(classes).index(entry)
    if entry.isdecimal():
        return _known(int(entry), len(classes))
    raise unknown("seen class", entry, classes)


def _known(label: object, num_classes: int) -> int:
    if isinstance(label, bool) or not isinstance(label, (int, np.integer)):
        raise ConfigError(f"seen_classes: expected whole numbers, but got {label!r}")
    if not 0 <= label < num_classes:
        nearest = 0 if label < 0 else num_classes - 1
        raise ConfigError(f"unknown seen class {label}; the classes are 0..{num_classes - 1}, the nearest is {nearest}")
    return int(label)


def _check_list(seen_classes: object) -> None:
    if isinstance(seen_classes, str) or not isinstance(seen_classes, (Sequence, np.ndarray)):
        raise ConfigError(f"seen_classes: expected a list of classes, but got {seen_classes!r}")


def _seen(seen_classes: Sequence[int], num_classes: int) -> list[int]:
    _check_list(seen_classes)
    seen = sorted(_known(label, num_classes) for label in seen_classes)
    twice = sorted({label for label in seen if seen.count(label) > 1})
    if twice:
        raise ConfigError(f"seen_classes holds class {twice[0]} twice")
    if len(seen) < 2:
        raise ConfigError(f"seen_classes: expected at least 2 classes, but got {len(seen)}")
    return seen


def _class_sizes(targets: np.ndarray) -> np.ndarray:
    check_targets(targets)
    if len(targets) == 0:
        raise ConfigError("an open-set split needs training images, but got none")
    if targets.min() < 0:
        without = int((targets < 0).sum())
        raise ConfigError(
            f"an open-set split needs the class of every training image, but {without} of {len(targets)} have none"
        )
    return np.bincount(targets)


def _check_sizes(
    sizes: np.ndarray, asked: dict[str, np.ndarray], seen: list[int], options: dict[str, Any], names: Sequence[str]
) -> None:
    short = np.flatnonzero(sum(asked.values()) > sizes)
    if len(short) == 0:
        return
    label = int(short[0])
    kind = "seen" if label in seen else "unseen"
    parts = " + ".join(f"{per_class[label]} {name}" for name, per_class in asked.items())
    by = ", ".join(
        f"{name}={options[name]}" for name in ("protocol", "mismatch", "num_unlabeled") if options[name] is not None
    )
    more = f"; and {len(short) - 1} more classes are too small" if len(short) > 1 else ""
    raise ConfigError(
        f"{kind} class {names[label]} has {sizes[label]} images, but {parts} are asked of it ({by}){more}"
    )
