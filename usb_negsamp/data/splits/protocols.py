"""How many unlabeled images of each class a mismatch protocol puts into the pool.

Four protocols of the field, over S *seen* classes (those with labels) and U *unseen* ones (all others):

``fixed_total``  Guo et al. (DS3L), used by SPL: the pool has ``num_unlabeled`` images, the share ``mismatch`` of them
                 unseen. Each seen class gives floor(floor(num_unlabeled (1 - mismatch)) / S) images, each unseen one
                 an equal part, rounded down, of what is left.
``fixed_seen``   ``num_unlabeled`` images of seen classes stay the same; unseen ones are added up to the share.
``class_swap``   Oliver et al. 2018, figure 2: the pool is all images of exactly min(S, U) classes, and ``mismatch`` is
                 the share of *classes* that are unseen. Swapped in: the lowest unseen classes; kept: the highest seen.
``whole_pool``   Li et al. (IOMatch): all training images; the mismatch is what the data set has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from usb_negsamp.data.splits.sampling import whole_number
from usb_negsamp.errors import ConfigError, unknown

PROTOCOLS = ("fixed_total", "fixed_seen", "class_swap", "whole_pool")
WHOLE_CLASSES = frozenset({"class_swap", "whole_pool"})
"""Protocols whose pool is all images of its classes but the validation ones, the labeled ones among them."""


@dataclass(frozen=True)
class Mismatch:
    """A protocol with its options, checked.

    Attributes:
        protocol: one of :data:`PROTOCOLS`.
        share: the mismatch asked for; None where the protocol leaves no choice.
        num_unlabeled: None where the protocol takes whole classes.
        seen: seen classes, ascending.
        unseen: unseen classes, ascending.
    """

    protocol: str
    share: Fraction | None
    num_unlabeled: int | None
    seen: list[int]
    unseen: list[int]

    def pool_sizes(self, available: np.ndarray) -> np.ndarray:
        """Count the images of the pool per class, from the ``available`` ones: all but those for validation."""
        if self.protocol == "whole_pool":
            self._check_natural_share(available)
            return available
        pool = np.zeros_like(available)
        if self.protocol == "class_swap":
            classes = self._swapped_classes()
            pool[classes] = available[classes]
        else:
            pool[self.seen], pool[self.unseen] = self._even_counts()
        return pool

    def _check_natural_share(self, available: np.ndarray) -> None:
        natural = int(available[self.unseen].sum()) / int(available.sum())
        if self.share is not None and abs(natural - self.share) > 0.005:
            raise ConfigError(
                f"mismatch={float(self.share):g} cannot be chosen with protocol whole_pool: {natural:.4g} of the images"
                " are of unseen classes; leave it out"
            )

    def _swapped_classes(self) -> list[int]:
        assert self.share is not None
        total = min(len(self.seen), len(self.unseen))
        if total == 0:
            raise ConfigError("protocol class_swap needs an unseen class to swap in, but all classes are seen")
        swapped = round(self.share * total)
        if abs(self.share * total - swapped) > Fraction(1, 100):  # thirds cannot be written out in decimals
            below = math.floor(self.share * total)
            raise ConfigError(
                f"mismatch={float(self.share):g} cannot be reached by swapping whole classes of {total}; "
                f"nearest that can: {below / total:.4g} and {(below + 1) / total:.4g}"
            )
        return self.unseen[:swapped] + self.seen[len(self.seen) - (total - swapped) :]

    def _even_counts(self) -> tuple[int, int]:
        """Count the images of each seen and of each unseen class."""
        assert self.share is not None
        assert self.num_unlabeled is not None
        if self.protocol == "fixed_total":
            of_seen = math.floor(self.num_unlabeled * (1 - self.share)) // len(self.seen)
            rest = self.num_unlabeled - of_seen * len(self.seen)
        elif self.share == 1:
            raise ConfigError("mismatch=1 cannot be reached by protocol fixed_seen, whose pool holds seen classes")
        else:
            of_seen = self.num_unlabeled // len(self.seen)
            rest = math.floor(of_seen * len(self.seen) * self.share / (1 - self.share))
        of_unseen = rest // len(self.unseen) if self.share else 0
        if (self.share < 1 and of_seen == 0) or (self.share > 0 and of_unseen == 0):
            raise ConfigError(
                f"num_unlabeled={self.num_unlabeled} is too small for mismatch={float(self.share):g}: {of_seen} images "
                f"for each of {len(self.seen)} seen classes and {of_unseen} for each of {len(self.unseen)} unseen ones"
            )
        return of_seen, of_unseen


def checked_mismatch(
    protocol: str, mismatch: float | None, num_unlabeled: int | None, seen: list[int], unseen: list[int]
) -> Mismatch:
    """Return the protocol with its options.

    Raises:
        ConfigError: an option is out of range, or asks for unseen images where no class is unseen.
    """
    if protocol not in PROTOCOLS:
        raise unknown("mismatch protocol", protocol, PROTOCOLS)
    share = None if mismatch is None and protocol == "whole_pool" else _share(mismatch)
    if share and not unseen:
        raise ConfigError(f"mismatch={float(share):g} needs an unseen class, but all {len(seen)} classes are seen")
    number = None if protocol in WHOLE_CLASSES else whole_number("num_unlabeled", num_unlabeled, 1)
    return Mismatch(protocol, share, number, seen, unseen)


def _share(mismatch: object) -> Fraction:
    if (
        isinstance(mismatch, bool)
        or not isinstance(mismatch, (int, float, np.integer, np.floating))
        or not 0.0 <= mismatch <= 1.0
    ):
        raise ConfigError(f"mismatch: expected a number in [0, 1], but got {mismatch!r}")
    # The decimal that was written: as a binary fraction 20000 * (1 - 0.9) falls short of 2000.
    return Fraction(f"{float(mismatch):.6f}")
