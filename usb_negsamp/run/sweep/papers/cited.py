"""Rows of the papers' tables whose methods neither the host nor this package has: their figures are only cited."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cited:
    """A row that is not trained.

    Attributes:
        method: as the paper calls it.
        expected: its figures in the paper.
    """

    method: str
    expected: str


_CIFAR10 = "accuracy for 1,000, 2,000 and 4,000 labels"
_MNIST = "accuracy for 20, 50 and 100 labels"

CITED: dict[str, tuple[Cited, ...]] = {
    "dnll/table1": (
        Cited("Pi + SNTG", f"78.77, 85.35, 88.64% {_CIFAR10}"),
        Cited("LP-SSDL", f"77.98, 84.34, 87.31% {_CIFAR10}"),
        Cited("LP-SSDL-MT", f"83.07, 86.78, 89.39% {_CIFAR10}"),
        Cited("Filtering CCL", f"81.78, 85.67, 88.59% {_CIFAR10}"),
        Cited("Temperature CCL", f"83.01, 87.43, 89.37% {_CIFAR10}"),
        Cited("TSSDL", f"78.87, 85.35, 89.10% {_CIFAR10}"),
        Cited("TSSDL-MT", f"81.59, 86.46, 90.70% {_CIFAR10}"),
        Cited("TNAR-VAE", "91.15% accuracy for 4,000 labels"),
        Cited("DCT", "90.97% accuracy for 4,000 labels"),
        Cited("CCN", f"87.95, 89.63, 91.2% {_CIFAR10}"),
    ),
    "dnll/table2": (Cited("DMT", "91.51, 94.21% accuracy for 1,000 and 4,000 labels"),),
    "dnll/table4": (
        Cited("ImprovedGAN", f"83.23, 97.79, 99.07% {_MNIST}"),
        Cited("Triple GAN", f"95.19, 98.44, 99.09% {_MNIST}"),
        Cited("Pi + SNTG", f"98.64, 99.06, 93.34% {_MNIST}"),
    ),
}
"""By the tables' names, as ``dnll/table1``."""


def cited_rows(table: str) -> tuple[Cited, ...]:
    """Return the rows of a table that are only cited; none where there are none.

    >>> cited_rows("dnll/table2")
    (Cited(method='DMT', expected='91.51, 94.21% accuracy for 1,000 and 4,000 labels'),)
    >>> cited_rows("spl/table1")
    ()
    """
    return CITED.get(table, ())
