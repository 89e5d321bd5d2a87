"""Every algorithm, plain and in each wrapper, trains on a GPU in float32 and in float16.

What it draws is drawn on the host, but for what ``docs/devices.md`` lists, which is drawn there here: so that a run in
float32 ends where the same run on the CPU ends.
"""

from __future__ import annotations

import pytest
from device_runs import CPU, GPU, assert_same, assert_sound, train

import usb_negsamp
from usb_negsamp.algorithms import ALONE, WRAPPERS, host_names

IN_SHORT = (
    "crmatch",
    "dualstudent_dnll",
    "fixmatch_ns3l",
    "freematch_ns3l",
    "meanteacher_dnll_spl",
    "simmatch",
    "vat_ns3l",
)
"""Those that are trained wherever there is a GPU."""


def algorithms() -> list[object]:
    """Every algorithm of the host's and ours, plain and in each wrapper, and those that are trained in short."""
    names = set(usb_negsamp.register()) | set(host_names())
    bases = [*host_names(), *ALONE]
    names.discard("cl_fixastep")  # refused: no loss of the labeled images alone
    chosen = {f"{base}_{wrapper}" for base in bases for wrapper in WRAPPERS} & names | {*bases, *IN_SHORT}
    return [pytest.param(name, marks=pytest.mark.gpu if name in IN_SHORT else ()) for name in sorted(chosen)]


@pytest.mark.usefixtures("draws_on_the_host")
@pytest.mark.parametrize("algorithm", algorithms())
def test_a_run_ends_where_that_on_the_cpu_ends(algorithm: str, rounding: float) -> None:
    there = train(algorithm, "gpu", **GPU)
    assert_sound(there)
    if algorithm.startswith("vat"):
        # Its direction is a gradient near the divergence's minimum, of which float32 leaves few digits.
        rounding *= 10
    assert_same(train(algorithm, "cpu", **CPU), there, rounding)


@pytest.mark.parametrize("algorithm", algorithms())
def test_a_run_in_float16_is_sound(algorithm: str) -> None:
    run = train(algorithm, "half", amp=True, **GPU)
    assert_sound(run)
    # The scaler is on, and has not halved its scale at every step.
    assert run.checkpoint["loss_scaler"]["scale"] > 2.0**10
