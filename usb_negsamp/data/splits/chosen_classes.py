"""Which classes the key ``seen_classes`` means."""

from __future__ import annotations

from collections.abc import Sequence

from usb_negsamp.data.splits.open_set import seen_class_indices
from usb_negsamp.data.splits.sampling import whole_number
from usb_negsamp.errors import ConfigError, unknown

CLASS_ORDERS = ("label", "superclass")


def number_of_classes(seen_classes: int | Sequence[int | str]) -> int:
    """Return how many classes ``seen_classes`` means: a number means itself, a list its length.

    Raises:
        ConfigError: fewer than two.

    >>> number_of_classes(6), number_of_classes(["bird", "cat"])
    (6, 2)
    """
    number = seen_classes if isinstance(seen_classes, int) else len(seen_classes)
    if number < 2:
        raise ConfigError(
            "seen_classes: expected at least 2 classes, as in 0,1,2 or cat,dog, or a number of at least 2, "
            f"but got {seen_classes}"
        )
    return number


def chosen_classes(
    seen_classes: int | Sequence[int | str], classes: Sequence[str], dataset: str, class_order: str = "label"
) -> tuple[int, ...]:
    """Return the indices of the seen classes.

    Args:
        seen_classes: names or indices, or the number S that stands for the first S classes.
        classes: the names of all classes of the data set.
        dataset: its name.
        class_order: what "first" means: ``label``, the order of the class indices, or ``superclass``, superclass by
            superclass (cifar100 alone).

    Raises:
        ConfigError: fewer than two classes, more than there are, an unknown one, or an order that the data set does
            not have.

    >>> chosen_classes(3, "abcdef", "letters"), chosen_classes(["c", 0], "abcdef", "letters")
    ((0, 1, 2), (2, 0))
    """
    if class_order not in CLASS_ORDERS:
        raise unknown("class_order", class_order, CLASS_ORDERS)
    number = number_of_classes(seen_classes)
    if class_order == "superclass" and (dataset != "cifar100" or not isinstance(seen_classes, int)):
        raise ConfigError(
            "class_order: superclass needs dataset cifar100 and a number of seen_classes, "
            f"but got dataset {dataset} and seen_classes {seen_classes}"
        )
    if not isinstance(seen_classes, int):
        return seen_class_indices(seen_classes, classes)
    if number > len(classes):
        raise ConfigError(
            f"seen_classes: expected at most {len(classes)}, the classes of dataset {dataset}, but got {number}"
        )
    return cifar100_superclass_order(number) if class_order == "superclass" else tuple(range(number))


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
        raise ConfigError(f"num_seen: expected a multiple of 5 in 5..100, but got {num_seen}")
    return tuple(sorted(range(100), key=lambda label: (SUPERCLASS_OF_CIFAR100[label], label)))[:num_seen]
