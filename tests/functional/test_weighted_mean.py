"""DS3L's reduction."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from usb_negsamp.functional import weighted_mean

ROWS = st.lists(st.tuples(st.floats(0, 10), st.floats(0.01, 1)), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.floats(0.1, 50))
def test_it_is_a_mean_that_a_common_factor_of_the_weights_does_not_change(
    rows: list[tuple[float, float]], factor: float
) -> None:
    losses, weights = (torch.tensor(column, dtype=torch.float64) for column in zip(*rows, strict=True))
    by_hand = sum(loss * weight for loss, weight in rows) / sum(weight for _, weight in rows)
    assert weighted_mean(losses, weights).item() == pytest.approx(by_hand, rel=1e-9)
    assert weighted_mean(losses, weights * factor).item() == pytest.approx(by_hand, rel=1e-9)
    assert losses.min() - 1e-9 <= weighted_mean(losses, weights) <= losses.max() + 1e-9


def test_parts_of_a_batch_add_up_over_the_sum_of_all_weights() -> None:
    losses, weights = torch.rand(6, dtype=torch.float64), torch.rand(6, dtype=torch.float64)
    parts = [weighted_mean(losses[part], weights[part], weights.sum()) for part in (slice(0, 2), slice(2, 6))]
    assert torch.stack(parts).sum().item() == pytest.approx(weighted_mean(losses, weights).item())


def test_where_all_weights_are_0_nothing_is_divided() -> None:
    losses = torch.ones(3, requires_grad=True)
    mean = weighted_mean(losses, torch.zeros(3))
    mean.backward()
    assert mean.item() == 0.0
    assert losses.grad is not None
    assert losses.grad.tolist() == [0.0] * 3


def test_the_gradient_of_the_weights_takes_in_the_denominator() -> None:
    losses = torch.rand(5, dtype=torch.float64)
    weights = torch.rand(5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: weighted_mean(losses, w), weights)


def test_wrong_arguments_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"`weights` to be a floating \(3,\)"):
        weighted_mean(torch.zeros(3), torch.zeros(2))
    with pytest.raises(ValueError, match="`losses` to be a floating"):
        weighted_mean(torch.zeros(3, 1), torch.zeros(3))
