"""Ramps of loss weights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usb_negsamp.functional import linear_ramp, sigmoid_ramp


@pytest.mark.parametrize(("t", "expected"), [(0, 0.0067), (0.25, 0.060), (0.5, 0.287), (0.75, 0.732), (1, 1.0)])
def test_sigmoid_ramp_has_the_known_values(t: float, expected: float) -> None:
    assert sigmoid_ramp(t) == pytest.approx(expected, abs=5e-4)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ramps_rise_from_start_to_end_and_stay_there(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    for ramp in (sigmoid_ramp, linear_ramp):
        assert ramp(0.0) <= ramp(low) <= ramp(high) <= ramp(1.0) == 1.0
        assert type(ramp(low)) is float
