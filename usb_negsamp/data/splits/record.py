"""What a run keeps and says of its split: the index arrays, their digest, and the figures that describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
    """

    digest: str
    labeled: np.ndarray
    unlabeled: np.ndarray
    validation: np.ndarray
    figures: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The three index arrays by name."""
        return {"labeled": self.labeled, "unlabeled": self.unlabeled, "validation": self.validation}


def closed_record(split: Split) -> SplitRecord:
    """Return the record of a split whose unlabeled images are of the labeled classes."""
    sizes = _sizes(split)
    return SplitRecord(split.digest, split.labeled, split.unlabeled, split.validation, {"kind": "closed", **sizes})


def open_set_record(split: OpenSetSplit, *, protocol: str, classes: Sequence[str], num_unknown: int = 0) -> SplitRecord:
    """Return the record of an open-set split, with delta, tau and the safe ratio p = 1 - delta (1 - tau).

    Args:
        split: the split.
        protocol: the protocol it was made by.
        classes: names of all classes, by original index.
        num_unknown: images without any label that the pool holds beside those of the split; they count neither in
            delta nor in tau.
    """
    seen = [label for label, new in split.class_map.items() if new < split.num_seen]
    of_seen = sum(split.counts["unlabeled"][label] for label in seen)
    total = len(split.unlabeled)
    ratio = safe_ratio(split.mismatch, split.labeled_ratio)
    figures = {
        "kind": "open_set",
        "protocol": protocol,
        "seen_classes": [classes[label] for label in sorted(seen)],
        "num_classes": len(split.class_map),
        **_sizes(split),
        "unlabeled_seen": of_seen,
        "unlabeled_unseen": total - of_seen,
        "unlabeled_unknown": num_unknown,
        "counts": {name: list(per_class) for name, per_class in split.counts.items()},
        "mismatch": split.mismatch,
        "labeled_ratio": split.labeled_ratio,
        "safe_ratio": ratio,
        "includes_labeled": split.includes_labeled,
    }
    more = f" and {num_unknown} without a label" if num_unknown else ""
    held_out = sum(split.counts["validation"][label] for label in seen)
    lines = (
        f"open-set split {protocol}: {split.num_seen} of {len(split.class_map)} classes seen; {len(split.labeled)} "
        f"labeled, {total} unlabeled ({of_seen} of seen and {total - of_seen} of unseen classes){more}, {held_out} "
        "validation images of seen classes",
        f"mismatch delta = {split.mismatch:.4g}, tau = labeled/unlabeled = {split.labeled_ratio:.4g}, "
        f"safe ratio p = 1 - delta (1 - tau) = {ratio:.4g}",
    )
    return SplitRecord(split.digest, split.labeled, split.unlabeled, split.validation, figures, lines)


def _sizes(split: Split | OpenSetSplit) -> dict[str, int]:
    return {name: len(getattr(split, name)) for name in ("labeled", "unlabeled", "validation")}


def adaptation_record(
    split: Split, *, labeled: str, unlabeled: str, num_unlabeled: int, chosen_by: str, num_test: int
) -> SplitRecord:
    """Return the record of labels from one source and unlabeled images from another.

    Args:
        split: of the first source's training images; its labeled and validation part count.
        labeled: name of the first source.
        unlabeled: name of the second source.
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
    }
    line = (
        f"domain adaptation from {labeled} to {unlabeled}: {len(split.labeled)} labeled and {num_unlabeled} unlabeled "
        f"images; the model is chosen by {chosen_by} and tested on {num_test} test images of {unlabeled}"
    )
    options = {"labeled_dataset": labeled, "unlabeled_dataset": unlabeled, "split": split.digest}
    arrays = {"labeled": split.labeled, "unlabeled": pool, "validation": split.validation}
    return SplitRecord(split_digest(options, arrays), split.labeled, pool, split.validation, figures, (line,))
