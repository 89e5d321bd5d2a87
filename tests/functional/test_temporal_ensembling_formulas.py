"""Temporal Ensembling's formulas: the memory, the targets that come of it, and the distance to them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import distance_to_targets, ensemble_targets, ensembled

SHAPES = st.tuples(st.integers(0, 10**6), st.integers(1, 12), st.integers(2, 9))
DECAYS = st.sampled_from([0.0, 0.3, 0.6, 0.95])


def probabilities(seed: int, n: int, k: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(n, k, generator=generator, dtype=torch.float64)).softmax(1)


def remembered(predictions: list[Tensor], decay: float) -> Tensor:
    memory = torch.zeros_like(predictions[0])
    for probs in predictions:
        memory = ensembled(memory, probs, decay)
    return memory


@settings(max_examples=40, deadline=None)
@given(SHAPES, DECAYS, st.integers(1, 7))
def test_targets_are_the_weighted_mean_of_the_past(shape: tuple[int, int, int], decay: float, epochs: int) -> None:
    seed, n, k = shape
    past = [probabilities(seed + epoch, n, k) for epoch in range(epochs)]
    targets = ensemble_targets(remembered(past, decay), decay, epochs - 1)
    weights = [decay ** (epochs - 1 - epoch) for epoch in range(epochs)]
    for row in range(n):
        for label in range(k):
            terms = (weight * float(probs[row, label]) for weight, probs in zip(weights, past, strict=True))
            assert targets[row, label].item() == pytest.approx(sum(terms) / sum(weights), rel=1e-9)
    assert torch.allclose(targets.sum(1), torch.ones(n, dtype=torch.float64))


@settings(max_examples=40, deadline=None)
@given(SHAPES, DECAYS)
def test_images_that_have_missed_epochs_have_the_targets_of_those_they_were_in(
    shape: tuple[int, int, int], decay: float
) -> None:
    seed, n, k = shape
    epochs = torch.arange(n) % 4
    memory = torch.stack(
        [
            remembered([probabilities(seed + epoch, n, k) for epoch in range(number)], decay)[row]
            if number
            else torch.zeros(k, dtype=torch.float64)
            for row, number in enumerate(epochs.tolist())
        ]
    )
    targets = ensemble_targets(memory, decay, epochs - 1)
    for row, number in enumerate(epochs.tolist()):
        alone = ensemble_targets(memory[row : row + 1], decay, number - 1)[0]
        assert torch.equal(targets[row], alone)
        assert alone.sum().item() == pytest.approx(float(number > 0))


def test_the_target_after_the_first_epoch_is_its_prediction_and_the_memory_less_than_that() -> None:
    probs = probabilities(0, 3, 4)
    memory = ensembled(torch.zeros(3, 4, dtype=torch.float64), probs, 0.6)
    assert torch.allclose(memory, 0.4 * probs)
    assert torch.allclose(ensemble_targets(memory, 0.6, 0), probs)


@settings(max_examples=30, deadline=None)
@given(SHAPES)
def test_the_distance_is_that_of_one_row_at_a_time(shape: tuple[int, int, int]) -> None:
    seed, n, k = shape
    targets = probabilities(seed, n, k)
    logits = 2 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    for row, found in enumerate(distance_to_targets(logits, targets).tolist()):
        top = [math.exp(value) for value in logits[row].tolist()]
        squares = ((value / sum(top) - target) ** 2 for value, target in zip(top, targets[row].tolist(), strict=True))
        assert found == pytest.approx(sum(squares) / k, rel=1e-9)


def test_the_gradient_is_right_and_reaches_the_logits_alone() -> None:
    targets = probabilities(0, 4, 5).requires_grad_()
    logits = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    fixed = targets.detach()
    assert torch.autograd.gradcheck(lambda z: distance_to_targets(z, fixed), logits)
    distance_to_targets(logits, targets).sum().backward()
    assert targets.grad is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_also_under_autocast(dtype: torch.dtype) -> None:
    logits, targets = torch.randn(6, 4).to(dtype), probabilities(1, 6, 4).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = distance_to_targets(logits, targets)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), distance_to_targets(logits.double(), targets.double()), atol=1e-6)


def test_wrong_arguments_are_one_line() -> None:
    rows = torch.zeros(3, 2)
    with pytest.raises(ValueError, match=r"`memory` to be a floating \(N, K\)"):
        ensembled(rows.long(), rows, 0.5)
    with pytest.raises(ValueError, match=r"`decay` to be in \[0, 1\), but got 1"):
        ensembled(rows, rows, 1.0)
    with pytest.raises(ValueError, match="`probs` to be a floating"):
        ensembled(rows, torch.zeros(3, 4), 0.5)
    with pytest.raises(ValueError, match=r"`epoch` to be an integer or an integer \(3,\) tensor"):
        ensemble_targets(rows, 0.5, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="`epoch` to be an integer"):
        ensemble_targets(rows, 0.5, torch.zeros(3))
    with pytest.raises(ValueError, match="`targets` to be a floating"):
        distance_to_targets(rows, torch.zeros(3, 4))
