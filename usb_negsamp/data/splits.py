"""Which training images are labeled, unlabeled or held out for validation.

A split depends on its options alone. Each class is put in a random order by 64-bit keys drawn from
``PCG64(SeedSequence([split_seed, class]))``; the raw output of a bit generator is what numpy promises to keep the same
over versions and platforms, which it does not for ``Generator.permutation``. The global random state is not touched.

Labels come from the front of a class's order and validation from its end. So, for one ``split_seed``, the labeled
images for 250 labels are among those for 4,000, and validation stays the same for all numbers of labels.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np

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
    targets: np.ndarray, *, num_labels: int, num_classes: int, validation_size: int, split_seed: int
) -> Split:
    """Draw a class-balanced labeled part and a stratified validation part.

    Args:
        targets: (N,) class indices; an image with -1 has no known label and always ends up in ``unlabeled``.
        num_labels: labeled images over all classes: a multiple of ``num_classes``, or exactly all that have a label
            and are not held out for validation.
        num_classes: number of classes K.
        validation_size: images held out, shared over the classes in proportion to their sizes.
        split_seed: non-negative; the only source of chance.

    Raises:
        ConfigError: ``num_labels`` is neither such a multiple nor all; a class has too few images; a target is out of
            range.
    """
    targets = np.asarray(targets)
    options = {
        "num_labels": num_labels,
        "num_classes": num_classes,
        "validation_size": validation_size,
        "split_seed": split_seed,
    }
    _check_options(targets, options)
    sizes = np.bincount(targets[targets >= 0], minlength=num_classes)
    num_known = int(sizes.sum())
    if validation_size >= num_known:
        raise ConfigError(f"validation_size={validation_size} leaves nothing of {num_known} images with a label")
    validation_sizes = _proportional_shares(validation_size, sizes)
    if num_labels == num_known - validation_size:
        labeled_sizes = sizes - validation_sizes
    else:
        labeled_sizes = np.full(num_classes, _labels_per_class(num_labels, num_classes))
    _check_sizes(sizes, labeled_sizes, validation_sizes)

    labeled, validation = [], []
    for label in range(num_classes):
        members = np.flatnonzero(targets == label)
        keys = np.random.PCG64(np.random.SeedSequence([split_seed, label])).random_raw(len(members))
        members = members[np.argsort(keys, kind="stable")]
        labeled.append(members[: labeled_sizes[label]])
        validation.append(members[len(members) - validation_sizes[label] :])

    arrays = {"labeled": _ascending(labeled), "validation": _ascending(validation)}
    is_rest = np.ones(len(targets), dtype=bool)
    is_rest[arrays["labeled"]] = False
    is_rest[arrays["validation"]] = False
    arrays["unlabeled"] = np.flatnonzero(is_rest).astype(np.int64)
    return Split(**arrays, digest=_digest(options, arrays))


def _check_options(targets: np.ndarray, options: dict[str, int]) -> None:
    if targets.ndim != 1 or not np.issubdtype(targets.dtype, np.integer):
        raise ConfigError(f"targets must be a vector of integers, got shape {targets.shape} of {targets.dtype}")
    lowest = {"num_labels": 1, "num_classes": 2, "validation_size": 0, "split_seed": 0}
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < lowest[name]:
            raise ConfigError(f"{name} must be a whole number of at least {lowest[name]}, got {value!r}")
    num_classes = options["num_classes"]
    if len(targets) and (targets.min() < -1 or targets.max() >= num_classes):
        raise ConfigError(
            f"targets must lie in -1..{num_classes - 1} for num_classes={num_classes}, "
            f"got {targets.min()}..{targets.max()}"
        )


def _labels_per_class(num_labels: int, num_classes: int) -> int:
    if num_labels % num_classes:
        below = num_labels // num_classes * num_classes
        nearest = f"{below} and {below + num_classes}" if below else f"{num_classes}"
        raise ConfigError(
            f"num_labels={num_labels} cannot be shared equally by {num_classes} classes; nearest that can: {nearest}"
        )
    return num_labels // num_classes


def _proportional_shares(total: int, sizes: np.ndarray) -> np.ndarray:
    """Share ``total`` in proportion to ``sizes`` by largest remainders, in whole numbers; ties go to lower classes."""
    whole = sizes.sum()
    shares, remainders = np.divmod(total * sizes, whole)
    missing = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return shares


def _check_sizes(sizes: np.ndarray, labeled_sizes: np.ndarray, validation_sizes: np.ndarray) -> None:
    short = np.flatnonzero(labeled_sizes + validation_sizes > sizes)
    if len(short) == 0:
        return
    label = int(short[0])
    more = f" (and {len(short) - 1} more classes are too small)" if len(short) > 1 else ""
    raise ConfigError(
        f"class {label} has {sizes[label]} images, but {labeled_sizes[label]} labeled and "
        f"{validation_sizes[label]} validation images are asked of it{more}; smallest class: {sizes.min()} images"
    )


def _ascending(parts: list[np.ndarray]) -> np.ndarray:
    return np.sort(np.concatenate(parts)).astype(np.int64)


def _digest(options: dict[str, int], arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    digest.update(json.dumps({name: int(value) for name, value in options.items()}, sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name}:{len(arrays[name])}:".encode())
        digest.update(arrays[name].astype("<i8").tobytes())
    return digest.hexdigest()
