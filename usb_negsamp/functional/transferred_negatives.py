"""How often pseudo-negative labels drawn with equal probability are wrong, and differ between two networks.

Theorems 3.1 and 3.2 of Xu et al., "Semi-Supervised Learning with Pseudo-Negative Labels for Image Classification".
"""

from __future__ import annotations

from math import comb


def negative_error_rate(pseudo_label_error: float, num_classes: int, num_negatives: int) -> float:
    """Return the expected share of samples whose negatives hold the true class (Theorem 3.1, equation 26).

    A network that is right gives no wrong negative. One that is wrong gives the true class with the m of K - 1 chances
    that any class but its pseudo label has: (1 - q) m / (K - 1).

    Args:
        pseudo_label_error: 1 - q, the share of samples whose pseudo label is wrong, in [0, 1].
        num_classes: K, at least 2.
        num_negatives: m, in 1..K-1.

    Raises:
        ValueError: an argument is out of range.

    >>> round(negative_error_rate(0.3, num_classes=10, num_negatives=3), 6)
    0.1
    """
    _check(pseudo_label_error, num_classes, num_negatives)
    return pseudo_label_error * num_negatives / (num_classes - 1)


def different_negatives_rate(agreement: float, num_classes: int, num_negatives: int) -> float:
    """Return the expected share of samples on which two networks transfer different sets of negatives.

    Where both have the same pseudo label, they draw the same set with probability 1 / C(K-1, m) (equation 27). Where
    they do not, each of the C(K-2, m) sets that both can draw is drawn by both with probability 1 / C(K-1, m)^2. The
    paper has 1 / C(K-2, m) for the second case (equation 28), as though neither could draw what the other one cannot:
    see :func:`different_negatives_rate_of_paper`.

    Args:
        agreement: share of samples on which both pseudo labels are the same, in [0, 1].
        num_classes: K, at least 2.
        num_negatives: m, in 1..K-1.

    Raises:
        ValueError: an argument is out of range.

    >>> different_negatives_rate(0.0, num_classes=3, num_negatives=1)  # {1, 2} against {0, 2}: both draw 2
    0.75
    """
    _check(agreement, num_classes, num_negatives)
    one, both = comb(num_classes - 1, num_negatives), comb(num_classes - 2, num_negatives)
    return 1.0 - agreement / one - (1.0 - agreement) * both / one**2


def different_negatives_rate_of_paper(agreement: float, num_classes: int, num_negatives: int) -> float:
    """Return the same by the paper's equation 29, before its approximations: 1 - q / C(K-1, m) - (1 - q) / C(K-2, m).

    Args:
        agreement: q there, in [0, 1].
        num_classes: K, at least 3.
        num_negatives: m, in 1..K-2.

    Raises:
        ValueError: an argument is out of range; with m = K - 1 the formula divides by 0.

    >>> different_negatives_rate_of_paper(0.0, num_classes=3, num_negatives=1)
    0.0
    """
    _check(agreement, num_classes, num_negatives)
    if num_negatives > num_classes - 2:
        raise ValueError(f"Expected argument `num_negatives` to lie in 1..{num_classes - 2}, but got {num_negatives}")
    one, both = comb(num_classes - 1, num_negatives), comb(num_classes - 2, num_negatives)
    return 1.0 - agreement / one - (1.0 - agreement) / both


def _check(share: float, num_classes: int, num_negatives: int) -> None:
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"Expected a share in 0..1, but got {share}")
    if not 1 <= num_negatives <= num_classes - 1:
        raise ValueError(
            f"Expected argument `num_negatives` to lie in 1..{num_classes - 1}, but got {num_negatives} "
            f"for {num_classes} classes"
        )
