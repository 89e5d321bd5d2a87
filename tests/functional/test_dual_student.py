"""Dual Student: who is stable, and who teaches whom."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import learning_samples, squared_error, stable_samples


def logits_of(seed: int, n: int = 40, k: int = 4, scale: float = 1.5) -> list[Tensor]:
    """Two views of two networks; views of one network are near each other."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(2):
        base = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
        found += [base, base + 0.5 * torch.randn(n, k, generator=generator, dtype=torch.float64)]
    return found


def softmax(row: list[float]) -> list[float]:
    top = [math.exp(value - max(row)) for value in row]
    return [value / sum(top) for value in top]


def read(row: list[float], other: list[float], threshold: float) -> tuple[bool, float]:
    """Definition 2 and the distance of one sample, in Python floats."""
    p, q = softmax(row), softmax(other)
    same = p.index(max(p)) == q.index(max(q))
    return same and max(*p, *q) > threshold, sum((a - b) ** 2 for a, b in zip(p, q, strict=True)) / len(p)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.4, 0.6, 0.8, 1.0]))
def test_stability_distance_and_direction_are_those_of_one_sample_at_a_time(seed: int, threshold: float) -> None:
    a, a_other, b, b_other = logits_of(seed)
    stable = [stable_samples(a, a_other, threshold), stable_samples(b, b_other, threshold)]
    errors = [squared_error(a, a_other), squared_error(b, b_other)]
    learned = [learning_samples(stable[i], stable[1 - i], errors[i], errors[1 - i]) for i in range(2)]
    rows = zip(a.tolist(), a_other.tolist(), b.tolist(), b_other.tolist(), strict=True)
    for i, (row_a, row_a_other, row_b, row_b_other) in enumerate(rows):
        (stable_a, error_a), (stable_b, error_b) = (
            read(row_a, row_a_other, threshold),
            read(row_b, row_b_other, threshold),
        )
        assert (stable[0][i], stable[1][i]) == (stable_a, stable_b)
        assert errors[0][i].item() == pytest.approx(error_a, abs=1e-12)
        a_learns = stable_b and (not stable_a or error_a > error_b)
        b_learns = stable_a and (not stable_b or error_b > error_a)
        assert (learned[0][i], learned[1][i]) == (a_learns, b_learns)


def test_both_learn_where_both_are_equally_stable_and_none_where_none_is() -> None:
    yes, no, error = torch.tensor([True]), torch.tensor([False]), torch.tensor([0.1])
    assert learning_samples(yes, yes, error, error).item()
    assert not learning_samples(no, no, error, error).item()


def test_a_probability_at_the_threshold_is_not_above_it() -> None:
    even = torch.zeros(1, 2)
    assert not stable_samples(even, even, 0.5).item()
    assert stable_samples(even, even, 0.49).item()


def test_one_sure_view_is_enough_and_two_classes_are_not() -> None:
    sure, unsure, other = torch.tensor([[5.0, 0.0]]), torch.tensor([[0.1, 0.0]]), torch.tensor([[0.0, 5.0]])
    assert stable_samples(unsure, sure, 0.8).item()
    assert not stable_samples(sure, other, 0.8).item()


def test_the_gradient_is_right_and_reaches_the_logits_alone() -> None:
    a, target, _, _ = logits_of(3, n=5)
    assert torch.autograd.gradcheck(lambda z: squared_error(z, target), a.requires_grad_())
    target.requires_grad_()
    squared_error(a, target).sum().backward()
    assert target.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_also_under_autocast(dtype: torch.dtype) -> None:
    a, b, _, _ = (values.to(dtype) for values in logits_of(5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = squared_error(a, b)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), squared_error(a.double(), b.double()), atol=1e-6)


def test_wrong_arguments_are_one_line() -> None:
    a = torch.zeros(3, 2)
    mask, error = torch.zeros(3, dtype=torch.bool), torch.zeros(3)
    with pytest.raises(ValueError, match="logits of one shape"):
        squared_error(a, torch.zeros(3, 4))
    with pytest.raises(ValueError, match="floating logits"):
        stable_samples(a.long(), a, 0.5)
    with pytest.raises(ValueError, match="`threshold` to be in"):
        stable_samples(a, a, 1.5)
    with pytest.raises(ValueError, match="`teacher_stable` to be a bool"):
        learning_samples(mask, error, error, error)
    with pytest.raises(ValueError, match="`teacher_error` to have shape"):
        learning_samples(mask, mask, error, torch.zeros(2))
