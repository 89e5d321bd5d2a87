"""The superclasses of CIFAR-100."""

from __future__ import annotations

from usb_negsamp.data.drawing import whole_number
from usb_negsamp.errors import ConfigError

# fmt: off
SUPERCLASS_OF_CIFAR100 = (
    4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11,
    6, 11, 5, 10, 7, 6, 13, 15, 3, 15, 0, 11, 1, 10, 12, 14, 16, 9, 11, 5,
    5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4, 18, 17,
    10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13,
    16, 19, 2, 4, 6, 19, 5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
)
# fmt: on
"""Superclass (0..19, alphabetical) of each of the 100 classes (alphabetical)."""


def cifar100_superclass_order(num_seen: int = 100) -> tuple[int, ...]:
    """Return the classes of CIFAR-100 superclass by superclass: the first ``num_seen`` are IOMatch's seen classes.

    Args:
        num_seen: how many; a multiple of 5, the number of classes in a superclass.

    Raises:
        ConfigError: it is no such multiple in 5..100.

    >>> cifar100_superclass_order(10)
    (4, 30, 55, 72, 95, 1, 32, 67, 73, 91)
    """
    if whole_number("num_seen", num_seen, 5) > 100 or num_seen % 5:
        raise ConfigError(f"num_seen must be a multiple of 5 in 5..100, got {num_seen}")
    return tuple(sorted(range(100), key=lambda label: (SUPERCLASS_OF_CIFAR100[label], label)))[:num_seen]
