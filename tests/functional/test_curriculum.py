"""Curriculum Labeling's formulas, against NumPy's percentile and one sample at a time in Python's floats."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from usb_negsamp.functional import mixed_cross_entropy, percentile_threshold, rarity_weights

SCORES = st.lists(st.floats(0.0, 1.0, width=32), min_size=1, max_size=60)


@settings(max_examples=100, deadline=None)
@given(SCORES, st.floats(0.0, 100.0))
def test_the_threshold_is_numpys_percentile(scores: list[float], percentile: float) -> None:
    found = percentile_threshold(torch.tensor(scores), percentile).item()
    assert found == pytest.approx(
        np.percentile(np.array(scores, dtype=np.float32).astype(float), percentile), abs=1e-12
    )


@settings(max_examples=50, deadline=None)
@given(SCORES, st.integers(1, 10))
def test_a_round_takes_at_least_its_share_and_the_last_one_all(scores: list[float], rounds: int) -> None:
    values = torch.tensor(scores)
    taken = []
    for number in range(1, rounds + 1):
        threshold = percentile_threshold(values, 100.0 * (1.0 - number / rounds))
        taken.append(int((values.double() >= threshold).sum()))
        # Between two scores the threshold excludes the lower one.
        assert taken[-1] >= math.floor(number / rounds * (len(scores) - 1) - 1e-9) + (number == rounds)
    assert taken == sorted(taken)
    assert taken[-1] == len(scores)


def test_equal_scores_are_all_taken_in_every_round() -> None:
    values = torch.full((7,), 0.3)
    for percentile in (0.0, 37.0, 80.0, 100.0):
        assert bool((values.double() >= percentile_threshold(values, percentile)).all())


def test_a_percentile_of_nothing_or_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="`scores` to be"):
        percentile_threshold(torch.zeros(0), 50)
    with pytest.raises(ValueError, match=r"`percentile` to be in \[0, 100\]"):
        percentile_threshold(torch.zeros(3), 101)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=12))
def test_a_class_weighs_the_others_samples_to_its_own(counts: list[int]) -> None:
    weights = rarity_weights(torch.tensor(counts)).tolist()
    total = sum(counts)
    for count, weight in zip(counts, weights, strict=True):
        if count == 0:
            assert weight == 0.0
        elif count == total:
            assert weight == 1.0
        else:
            assert weight == pytest.approx((total - count) / count)


def one_at_a_time(
    logits: list[list[float]], labels: list[int], partners: list[int], share: float, weights: list[float]
) -> float:
    """The definition, in Python's floats: two weighted means of cross-entropies."""

    def mean(targets: list[int]) -> float:
        above, below = 0.0, 0.0
        for row, target in zip(logits, targets, strict=True):
            top = max(row)
            log_sum = top + math.log(sum(math.exp(value - top) for value in row))
            above += weights[target] * (log_sum - row[target])
            below += weights[target]
        return above / below

    return share * mean(labels) + (1 - share) * mean([labels[partner] for partner in partners])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 9), st.floats(0.0, 1.0))
def test_the_mixed_loss_is_that_of_one_sample_at_a_time(seed: int, classes: int, size: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 5 * torch.randn(size, classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (size,), generator=generator)
    partners = torch.randperm(size, generator=generator)
    weights = torch.rand(classes, generator=generator, dtype=torch.float64) + 0.1
    found = mixed_cross_entropy(logits, labels, partners, share, weights).item()
    expected = one_at_a_time(logits.tolist(), labels.tolist(), partners.tolist(), share, weights.tolist())
    assert found == pytest.approx(expected, rel=1e-10)


def test_a_factor_of_all_weights_changes_nothing_and_an_own_total_divides() -> None:
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels, partners = torch.tensor([0, 2, 2, 1, 0]), torch.tensor([1, 2, 3, 4, 0])
    weights = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64)
    plain = mixed_cross_entropy(logits, labels, partners, 0.3, weights)
    assert mixed_cross_entropy(logits, labels, partners, 0.3, weights / 100).item() == pytest.approx(plain.item())
    total = torch.tensor(10.0, dtype=torch.float64)
    divided = mixed_cross_entropy(logits, labels, partners, 0.3, weights, total)
    assert divided.item() == pytest.approx((plain * weights[labels].sum() / 10).item())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_loss_of_confident_half_precision_logits_is_finite_with_a_right_gradient(dtype: torch.dtype) -> None:
    logits = torch.tensor([[40.0, -40.0], [-40.0, 40.0]], dtype=dtype, requires_grad=True)
    labels, partners = torch.tensor([1, 1]), torch.tensor([1, 0])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = mixed_cross_entropy(logits, labels, partners, 0.5, torch.ones(2))
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(40.0)
    assert logits.grad is not None
    assert torch.allclose(logits.grad.float(), torch.tensor([[0.5, -0.5], [0.0, 0.0]]))


def test_labels_or_a_share_that_cannot_be_are_refused() -> None:
    logits, rows, weights = torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(3)
    with pytest.raises(ValueError, match="`labels` to be an integer"):
        mixed_cross_entropy(logits, torch.zeros(2), rows, 0.5, weights)
    with pytest.raises(ValueError, match="`share`"):
        mixed_cross_entropy(logits, rows, rows, 1.5, weights)


def test_the_mixed_loss_reads_no_value() -> None:
    with FakeTensorMode():
        logits = torch.randn(20, 4, requires_grad=True)
        labels, partners = torch.randint(4, (20,)), torch.randperm(20)
        mixed_cross_entropy(logits, labels, partners, 0.3, torch.rand(4)).backward()
        assert logits.grad is not None
