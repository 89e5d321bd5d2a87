"""UASD's formulas: the mean of past predictions, the threshold of validation images, the soft cross-entropy."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import confidence_threshold, mean_predictions, soft_cross_entropy

SHAPES = st.tuples(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 9))


def softmax(row: list[float]) -> list[float]:
    top = [math.exp(value - max(row)) for value in row]
    return [value / sum(top) for value in top]


def probabilities(seed: int, n: int, k: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(n, k, generator=generator, dtype=torch.float64)).softmax(1)


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.integers(1, 6))
def test_the_mean_is_that_of_all_visits_and_a_distribution(shape: tuple[int, int, int], visits: int) -> None:
    seed, n, k = shape
    past = [probabilities(seed + visit, n, k) for visit in range(visits)]
    mean = mean_predictions(torch.stack(past).sum(0))
    for row in range(n):
        for label in range(k):
            by_hand = sum(float(probs[row, label]) for probs in past) / visits
            assert mean[row, label].item() == pytest.approx(by_hand, abs=1e-12)
    assert torch.allclose(mean.sum(1), torch.ones(n, dtype=torch.float64))


def test_an_image_that_was_never_seen_has_no_confidence() -> None:
    assert mean_predictions(torch.zeros(2, 3)).tolist() == [[0.0] * 3] * 2


def test_the_threshold_is_the_mean_over_images_that_were_seen() -> None:
    assert confidence_threshold(torch.tensor([0.5, 0.0, 0.7, 0.0]), 0.9).item() == pytest.approx(0.6)
    assert confidence_threshold(torch.zeros(4), 0.9).item() == pytest.approx(0.9)
    assert confidence_threshold(torch.zeros(0), 0.25).item() == pytest.approx(0.25)


@settings(max_examples=40, deadline=None)
@given(SHAPES)
def test_the_threshold_lies_between_the_least_and_the_largest_confidence(shape: tuple[int, int, int]) -> None:
    confidences = probabilities(*shape).amax(1)
    threshold = confidence_threshold(confidences, 0.9)
    assert confidences.min() - 1e-12 <= threshold <= confidences.max() + 1e-12


@settings(max_examples=40, deadline=None)
@given(SHAPES)
def test_the_loss_is_the_cross_entropy_and_least_where_the_target_is_met(shape: tuple[int, int, int]) -> None:
    seed, n, k = shape
    targets = probabilities(seed, n, k)
    logits = 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    found = soft_cross_entropy(logits, targets)
    for row, loss in enumerate(found.tolist()):
        p, q = softmax(logits[row].tolist()), targets[row].tolist()
        assert loss == pytest.approx(-sum(b * math.log(a) for a, b in zip(p, q, strict=True)), rel=1e-9)
    assert (found >= soft_cross_entropy(targets.log(), targets) - 1e-12).all()


def test_a_one_hot_target_gives_the_cross_entropy_of_the_label_also_where_the_rest_is_impossible() -> None:
    logits = torch.tensor([[200.0, 0.0, -200.0]])
    assert soft_cross_entropy(logits, torch.tensor([[1.0, 0.0, 0.0]])).item() == 0.0
    assert soft_cross_entropy(logits, torch.tensor([[0.0, 0.0, 1.0]])).item() == pytest.approx(400.0)


def test_the_gradient_is_right_and_reaches_the_logits_alone() -> None:
    targets = probabilities(0, 4, 5).requires_grad_()
    logits = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    fixed = targets.detach()
    assert torch.autograd.gradcheck(lambda z: soft_cross_entropy(z, fixed), logits)
    soft_cross_entropy(logits, targets).sum().backward()
    assert targets.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_also_under_autocast(dtype: torch.dtype) -> None:
    logits, targets = torch.randn(6, 4).to(dtype), probabilities(1, 6, 4).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = soft_cross_entropy(logits, targets)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), soft_cross_entropy(logits.double(), targets.double()), atol=1e-5)


def test_wrong_arguments_are_one_line() -> None:
    rows = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"`sums` to be a floating \(N, K\)"):
        mean_predictions(rows.long())
    with pytest.raises(ValueError, match=r"`confidences` to be a floating \(M,\)"):
        confidence_threshold(rows, 0.9)
    with pytest.raises(ValueError, match="`start` to be in"):
        confidence_threshold(torch.zeros(3), 1.5)
    with pytest.raises(ValueError, match="`targets` to have the shape of the logits"):
        soft_cross_entropy(rows, torch.zeros(3, 4))
