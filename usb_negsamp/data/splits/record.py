"""What a run keeps and says of its split: the index arrays, their digest, and the figures that describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from usb_negsamp.data.sources.image_source import ImageSource
from usb_negsamp.data.splits.labeled import Split
from usb_negsamp.data.splits.open_set import OpenSetSplit
from usb_negsamp.data.splits.sampling import split_digest
from usb_negsamp.functional import safe_ratio


@dataclass(frozen=True)
class SplitRecord:
    """A split as a run records it.

    Attributes:
        digest: sha256, in hex, of all options and arrays.
        labeled: indices into the training images of the (labeled) source.
        unlabeled: indices into those of the (unlabeled) source.
        validation: indices into those of the (labeled) source.
        figures: numbers of images and what follows from them, for the manifest.
        lines: what to print when the run starts.
        log: what its log alone says.
    """

    digest: str
    labeled: np.ndarray
    unlabeled: np.ndarray
    validation: np.ndarray
    figures: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    log: tuple[str, ...] = ()

    def with_notes(self, *sources: ImageSource) -> SplitRecord:
        """The same, with what is to be said of how the ``sources`` were read."""
        lines = tuple(line for source in sources for line in source.notes)
        return replace(self, lines=(*self.lines, *lines), log=tuple(line for source in sources for line in source.log))

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The three index arrays by name."""
        return {"labeled": self.labeled, "unlabeled": self.unlabeled, "validation": self.validation}


MOST_NAMES = 12
"""Class names that a line lists."""


def closed_record(
    split: Split,
    *,
    source: str,
    classes: Sequence[str],
    num_unknown: int,
    includes_labeled: bool,
    num_validation: int,
    num_test: int,
) -> SplitRecord:
    """Return the record of a split whose unlabeled images are of the labeled classes.

    Args:
        split: of the source's training images.
        source: its name.
        classes: names of the classes.
        num_unknown: unlabeled images that the source brings beside the training images.
        includes_labeled: whether the labeled images are unlabeled ones, too; ``unlabeled`` does not count them.
        num_validation: images that the best model is chosen by, held out or the source's own.
        num_test: test images.
    """
    num_labeled, num_unlabeled = len(split.labeled), len(split.unlabeled) + num_unknown
    figures = {
        "kind": "closed",
        "labeled": num_labeled,
        "unlabeled": num_unlabeled,
        "unlabeled_unknown": num_unknown,
        "includes_labeled": includes_labeled,
        "validation": num_validation,
        "test": num_test,
        "classes": list(classes),
    }
    more = f" (and the {num_labeled} labeled ones)" if includes_labeled else ""
    line = (
        f"{source}: {num_labeled} labeled, {num_unlabeled} unlabeled{more}, {num_validation} validation and {num_test} "
        f"test images of {listed_classes(classes)}"
    )
    return SplitRecord(split.digest, split.labeled, split.unlabeled, split.validation, figures, (line,))


def listed_classes(classes: Sequence[str]) -> str:
    """Say how many classes there are, and the names of the first ones.

    >>> listed_classes(["cat", "dog"])
    '2 classes: cat, dog'
    >>> listed_classes([str(label) for label in range(100)])
    '100 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ...'
    """
    names = [name if name.isprintable() else repr(name) for name in classes[:MOST_NAMES]]
    return f"{len(classes)} classes: {', '.join(names)}{', ...' if len(classes) > MOST_NAMES else ''}"


def open_set_record(
    split: OpenSetSplit,
    *,
    source: str,
    protocol: str,
    classes: Sequence[str],
    num_unknown: int,
    num_validation: int,
    num_test: tuple[int, int],
) -> SplitRecord:
    """Return the record of an open-set split, with delta, tau and the safe ratio p = 1 - delta (1 - tau).

    Args:
        split: the split.
        source: name of the data set.
        protocol: the protocol it was made by.
        classes: names of all classes, by original index.
        num_unknown: images without any label that the pool holds beside those of the split; they count neither in
            delta nor in tau.
        num_validation: images of seen classes that the best model is chosen by, held out or the source's own.
        num_test: test images of seen and of unseen classes.
    """
    seen = [label for label, new in split.class_map.items() if new < split.num_seen]
    of_seen = sum(split.counts["unlabeled"][label] for label in seen)
    total = len(split.unlabeled)
    ratio = safe_ratio(split.mismatch, split.labeled_ratio)
    names = [classes[label] for label in sorted(seen)]
    unseen = [classes[label] for label in sorted(split.class_map.keys() - set(seen))]
    figures = {
        "kind": "open_set",
        "protocol": protocol,
        "seen_classes": names,
        "unseen_classes": unseen,
        "num_classes": len(split.class_map),
        "labeled": len(split.labeled),
        "unlabeled": total,
        "validation": len(split.validation) or num_validation,
        "unlabeled_seen": of_seen,
        "unlabeled_unseen": total - of_seen,
        "unlabeled_unknown": num_unknown,
        "test": sum(num_test),
        "counts": {name: list(per_class) for name, per_class in split.counts.items()},
        "mismatch": split.mismatch,
        "labeled_ratio": split.labeled_ratio,
        "safe_ratio": ratio,
        "includes_labeled": split.includes_labeled,
    }
    more = f" and {num_unknown} without a label" if num_unknown else ""
    lines = (
        f"{source}, open-set split {protocol}: {split.num_seen} of {len(split.class_map)} classes seen; "
        f"{len(split.labeled)} labeled, {total} unlabeled ({of_seen} of seen and {total - of_seen} of unseen classes)"
        f"{more}, {num_validation} validation images of seen classes, {num_test[0]} test images of seen and "
        f"{num_test[1]} of unseen classes; seen are {listed_classes(names)}",
        f"mismatch delta = {split.mismatch:.4g}, tau = labeled/unlabeled = {split.labeled_ratio:.4g}, "
        f"safe ratio p = 1 - delta (1 - tau) = {ratio:.4g}",
    )
    return SplitRecord(split.digest, split.labeled, split.unlabeled, split.validation, figures, lines)


def adaptation_record(
    split: Split,
    *,
    labeled: str,
    unlabeled: str,
    classes: Sequence[str],
    num_unlabeled: int,
    chosen_by: str,
    num_test: int,
) -> SplitRecord:
    """Return the record of labels from one source and unlabeled images from another.

    Args:
        split: of the first source's training images; its labeled and validation part count.
        labeled: name of the first source.
        unlabeled: name of the second source.
        classes: names of the classes, by the first source.
        num_unlabeled: images of the second, all of which are the pool.
        chosen_by: in words, the images by which the best model is chosen.
        num_test: test images of the second.
    """
    pool = np.arange(num_unlabeled, dtype=np.int64)
    figures = {
        "kind": "domain_adaptation",
        "labeled_dataset": labeled,
        "unlabeled_dataset": unlabeled,
        "labeled": len(split.labeled),
        "unlabeled": num_unlabeled,
        "validation": len(split.validation),
        "chosen_by": chosen_by,
        "test": num_test,
        "classes": list(classes),
    }
    line = (
        f"domain adaptation from {labeled} to {unlabeled}: {len(split.labeled)} labeled and {num_unlabeled} unlabeled "
        f"images of {listed_classes(classes)}; the model is chosen by {chosen_by} and tested on {num_test} test images "
        f"of {unlabeled}"
    )
    options = {"labeled_dataset": labeled, "unlabeled_dataset": unlabeled, "split": split.digest}
    arrays = {"labeled": split.labeled, "unlabeled": pool, "validation": split.validation}
    return SplitRecord(split_digest(options, arrays), split.labeled, pool, split.validation, figures, (line,))
