"""Ramps of loss weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usb_negsamp.functional import linear_ramp, sigmoid_ramp, truncated_sigmoid_ramp


@pytest.mark.parametrize(("t", "expected"), [(0, 0.0067), (0.25, 0.060), (0.5, 0.287), (0.75, 0.732), (1, 1.0)])
def test_sigmoid_ramp_has_the_known_values(t: float, expected: float) -> None:
    assert sigmoid_ramp(t) == pytest.approx(expected, abs=5e-4)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ramps_rise_from_start_to_end_and_stay_there(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    for ramp in (sigmoid_ramp, linear_ramp):
        assert ramp(0.0) <= ramp(low) <= ramp(high) <= ramp(1.0) == 1.0
        assert type(ramp(low)) is float


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_truncated_ramp_is_the_first_part_of_the_whole_one(share: float, a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    assert truncated_sigmoid_ramp(low, share) <= truncated_sigmoid_ramp(high, share) * (1 + 1e-12)
    assert truncated_sigmoid_ramp(1.0, share) == truncated_sigmoid_ramp(2.0, share) == 1.0
    assert truncated_sigmoid_ramp(a, share) * sigmoid_ramp(share) == pytest.approx(sigmoid_ramp(share * a))


def test_over_the_whole_training_it_is_the_sigmoid_ramp() -> None:
    assert truncated_sigmoid_ramp(0.3, 1.0) == sigmoid_ramp(0.3)
    assert truncated_sigmoid_ramp(0.3, 0.0) == 1.0
