"""What all splits share: the order that a seed gives the images of a class, shares in whole numbers, and the digest.

Each class is put in a random order by 64-bit keys drawn from ``PCG64(SeedSequence([seed, class]))``; the raw output of
a bit generator is what numpy promises to keep the same over versions and platforms, which it does not for
``Generator.permutation``. The global random state is not touched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from usb_negsamp.errors import ConfigError, unknown


def class_order(targets: np.ndarray, label: int, seed: int) -> np.ndarray:
    """Return the indices of all images of class ``label``, in the order that ``seed`` gives them."""
    members = np.flatnonzero(targets == label)
    keys = np.random.PCG64(np.random.SeedSequence([seed, label])).random_raw(len(members))
    return members[np.argsort(keys, kind="stable")]


def proportional_shares(total: int, sizes: np.ndarray) -> np.ndarray:
    """Share ``total`` in proportion to ``sizes`` by largest remainders, in whole numbers; ties go to lower classes."""
    shares, remainders = np.divmod(total * sizes, sizes.sum())
    missing = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return shares


def nearly_equal_shares(total: int, sizes: np.ndarray) -> np.ndarray:
    """Share ``total`` equally by largest remainders, in whole numbers.

    The remainders are all the same: the largest classes get one more, and of those of one size lower ones.

    >>> nearly_equal_shares(8, np.array([5, 9, 5])).tolist()
    [3, 3, 2]
    """
    shares, missing = np.full(len(sizes), total // len(sizes)), total % len(sizes)
    shares[np.argsort(-sizes, kind="stable")[:missing]] += 1
    return shares


SHARES = ("proportional", "equal")


def held_out_shares(total: int, sizes: np.ndarray, shares: str) -> np.ndarray:
    """Return how many of ``total`` images are held out of each class.

    Args:
        total: images over all classes.
        sizes: (K,), images of each class.
        shares: ``proportional`` to the sizes, or ``equal``.

    Raises:
        ConfigError: unknown ``shares``, or a ``total`` that the classes cannot share equally.
    """
    if shares not in SHARES:
        raise unknown("validation_shares", shares, SHARES)
    if shares == "proportional":
        return proportional_shares(total, sizes)
    if total % len(sizes):
        raise ConfigError(
            f"validation_size={total} cannot be shared equally by {len(sizes)} classes, as validation_shares asks; "
            f"nearest that can: {max(1, round(total / len(sizes))) * len(sizes)}"
        )
    return np.full(len(sizes), total // len(sizes))


def ascending(parts: list[np.ndarray]) -> np.ndarray:
    """Join index arrays into one, ascending, int64."""
    return np.sort(np.concatenate(parts)).astype(np.int64)


def split_digest(options: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the sha256, in hex, of a split's options (as JSON) and index arrays; equal on every platform."""
    digest = hashlib.sha256()
    digest.update(json.dumps(dict(options), sort_keys=True).encode())
    for name in sorted(arrays):
        digest.update(f"{name}:{len(arrays[name])}:".encode())
        digest.update(arrays[name].astype("<i8").tobytes())
    return digest.hexdigest()


def check_targets(targets: np.ndarray) -> None:
    """Refuse targets that are no vector of integers.

    Raises:
        ConfigError: they are not.
    """
    if targets.ndim != 1 or not np.issubdtype(targets.dtype, np.integer):
        raise ConfigError(f"targets: expected a vector of integers, but got shape {targets.shape} of {targets.dtype}")


def whole_number(name: str, value: object, lowest: int) -> int:
    """Return ``value`` as an int.

    Raises:
        ConfigError: it is no whole number, or below ``lowest``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < lowest:
        raise ConfigError(f"{name}: expected a whole number of at least {lowest}, but got {value!r}")
    return int(value)
