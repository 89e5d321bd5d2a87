"""DNLL's Theorems 3.1 and 3.2: what is expected of negatives that are drawn with equal probability."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import pytest
import torch

from usb_negsamp.functional import (
    different_negatives_rate,
    different_negatives_rate_of_paper,
    negative_error_rate,
    pseudo_negative_labels,
)

SIZES = [(k, m) for k in (2, 3, 5, 6) for m in range(1, k)]


def sets(pseudo_label: int, num_classes: int, num_negatives: int) -> list[frozenset[int]]:
    others = [label for label in range(num_classes) if label != pseudo_label]
    return [frozenset(chosen) for chosen in combinations(others, num_negatives)]


@pytest.mark.parametrize(("k", "m"), SIZES)
def test_the_error_rate_is_that_of_all_sets(k: int, m: int) -> None:
    true, wrong = 0, 1
    right_label, wrong_label = sets(true, k, m), sets(wrong, k, m)
    assert not any(true in chosen for chosen in right_label)
    held = Fraction(sum(true in chosen for chosen in wrong_label), len(wrong_label))
    assert negative_error_rate(0.25, k, m) == pytest.approx(float(held) / 4)


@pytest.mark.parametrize(("k", "m"), SIZES)
def test_the_rate_of_different_sets_is_that_of_all_pairs_of_sets(k: int, m: int) -> None:
    first, again, second = sets(0, k, m), sets(0, k, m), sets(1, k, m)
    for agreement, others in ((1.0, again), (0.0, second)):
        different = sum(a != b for a in first for b in others)
        assert different_negatives_rate(agreement, k, m) == pytest.approx(different / (len(first) * len(others)))


def test_the_papers_formula_is_ours_where_both_agree_and_smaller_where_they_do_not() -> None:
    for k, m in SIZES:
        if m <= k - 2:
            assert different_negatives_rate_of_paper(1.0, k, m) == different_negatives_rate(1.0, k, m)
            assert different_negatives_rate_of_paper(0.0, k, m) < different_negatives_rate(0.0, k, m)
    assert different_negatives_rate_of_paper(0.5, 10, 1) == pytest.approx(1 - 0.5 / 9 - 0.5 / 8)


def test_drawn_negatives_are_wrong_and_different_as_often_as_predicted() -> None:
    k, m, n = 10, 3, 60_000
    generator = torch.Generator().manual_seed(0)
    true = torch.randint(k, (n,), generator=generator)
    labels = [torch.where(torch.rand(n, generator=generator) < 0.4, (true + 1 + i) % k, true) for i in range(2)]
    negatives = [pseudo_negative_labels(found, k, m, generator=generator) for found in labels]
    wrong = negatives[0].gather(1, true[:, None]).float().mean().item()
    pseudo_label_error = (labels[0] != true).float().mean().item()
    assert wrong == pytest.approx(negative_error_rate(pseudo_label_error, k, m), abs=0.004)
    agreement = (labels[0] == labels[1]).float().mean().item()
    different = (negatives[0] != negatives[1]).any(1).float().mean().item()
    assert different == pytest.approx(different_negatives_rate(agreement, k, m), abs=0.002)


@pytest.mark.parametrize("arguments", [(-0.1, 10, 1), (0.5, 10, 10), (0.5, 10, 0), (float("nan"), 10, 1)])
def test_impossible_arguments_are_refused(arguments: tuple[float, int, int]) -> None:
    for formula in (negative_error_rate, different_negatives_rate, different_negatives_rate_of_paper):
        with pytest.raises(ValueError, match="Expected"):
            formula(*arguments)
    with pytest.raises(ValueError, match=r"in 1\.\.0"):
        different_negatives_rate_of_paper(0.5, 2, 1)
