"""Sharpening, mixing and interleaving as MixMatch has them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from usb_negsamp.functional import interleave, mixing_weights, mixup, sharpen


def test_sharpening_is_the_normalized_power_by_plain_loops() -> None:
    probs = torch.rand(5, 4).softmax(1)
    for temperature in (0.25, 0.5, 1.0, 2.0):
        sharp = sharpen(probs, temperature)
        for row, result in zip(probs.double().tolist(), sharp.tolist(), strict=True):
            powers = [p ** (1 / temperature) for p in row]
            assert result == pytest.approx([power / sum(powers) for power in powers], rel=1e-5)


def test_sharpening_survives_zeros_tiny_probabilities_and_tiny_temperatures() -> None:
    assert sharpen(torch.tensor([[1.0, 0.0, 0.0]]), 0.5).tolist() == [[1.0, 0.0, 0.0]]
    # By powers in float32 both would underflow to 0/0.
    tiny = sharpen(torch.tensor([[1e-4, 2e-4]]), 0.05)
    assert tiny[0].tolist() == pytest.approx([2**-20, 1.0], rel=1e-3)


def test_sharpening_is_float32_under_autocast_and_from_half_precision() -> None:
    probs = torch.tensor([[0.75, 0.25]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert sharpen(probs, 0.5)[0].tolist() == pytest.approx([0.9, 0.1])
    assert sharpen(probs.bfloat16(), 0.5).dtype == torch.float32


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match="`temperature` to be more than 0"):
        sharpen(torch.ones(1, 2), temperature)


def test_every_sample_has_a_weight_of_its_own_of_at_least_one_half() -> None:
    for alpha in (0.1, 0.75, 4.0):
        weights = mixing_weights(1000, alpha)
        assert len(weights.unique()) > 500
        assert 0.5 <= weights.min() <= weights.max() <= 1.0


def test_the_weights_are_folded_draws_of_a_beta_distribution() -> None:
    torch.manual_seed(0)
    weights = mixing_weights(200_000, 0.75)
    # The expectation by integration of the density.
    grid = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    density = (grid * (1 - grid)) ** (0.75 - 1)
    expected = (torch.maximum(grid, 1 - grid) * density).sum() / density.sum()
    assert weights.mean().item() == pytest.approx(expected.item(), abs=2e-3)


def test_without_alpha_nothing_is_mixed() -> None:
    weights = mixing_weights(3, 0.0)
    assert weights.tolist() == [1.0, 1.0, 1.0]
    values = torch.randn(3, 2, 4, 4)
    assert torch.equal(mixup(values, torch.tensor([2, 0, 1]), weights), values)


def test_each_row_is_mixed_with_its_partner_by_its_own_weight() -> None:
    values, partners, weights = torch.randn(4, 2, 3), torch.tensor([1, 1, 3, 0]), torch.tensor([0.5, 0.6, 0.9, 1.0])
    mixed = mixup(values, partners, weights)
    for row in range(4):
        expected = weights[row] * values[row] + (1 - weights[row]) * values[partners[row]]
        assert torch.allclose(mixed[row], expected, atol=1e-6)


def test_a_partner_or_a_weight_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match=r"for each of 3 rows, but got \(2,\) and \(3,\)"):
        mixup(torch.zeros(3, 2), torch.tensor([0, 1]), torch.ones(3))
    with pytest.raises(ValueError, match=r"but got \(3,\) and \(1,\)"):
        mixup(torch.zeros(3, 2), torch.tensor([0, 1, 2]), torch.ones(1))


@given(st.integers(1, 9), st.integers(0, 20))
def test_interleaving_twice_is_the_identity(num_batches: int, batch_size: int) -> None:
    rows = torch.arange(num_batches * batch_size)
    once = interleave(rows, num_batches)
    assert torch.equal(interleave(once, num_batches), rows)
    assert torch.equal(once.sort().values, rows)


@given(st.integers(1, 7), st.integers(1, 40))
def test_every_interleaved_batch_holds_an_equal_share_of_each(num_batches: int, batch_size: int) -> None:
    of_batch = torch.arange(num_batches).repeat_interleave(batch_size)
    for batch in interleave(of_batch, num_batches).split(batch_size):
        shares = torch.bincount(batch, minlength=num_batches)
        assert shares.max() - shares.min() <= 1


def test_the_first_interleaved_batch_of_64_is_the_authors() -> None:
    first = interleave(torch.arange(3 * 64), 3)[:64]
    assert first.tolist() == [*range(21), *range(64 + 21, 64 + 42), *range(128 + 42, 128 + 64)]


def test_gradients_return_to_the_rows_they_came_from() -> None:
    rows = torch.randn(6, 2, requires_grad=True)
    scale = torch.arange(6.0).unsqueeze(1)
    (interleave(interleave(rows, 3), 3) * scale).sum().backward()
    assert rows.grad is not None
    assert torch.equal(rows.grad, scale.expand(6, 2))


def test_batches_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="to be 3 batches of one size, but got 8 rows"):
        interleave(torch.zeros(8, 2), 3)
    with pytest.raises(ValueError, match="to be 0 batches"):
        interleave(torch.zeros(8, 2), 0)
