"""A run that is stopped goes on where it was, on the same kind of device or on the other."""

from __future__ import annotations

from typing import Any

import pytest
from device_runs import CPU, GPU, assert_same, assert_sound, cut_and_resumed, train


@pytest.mark.gpu
@pytest.mark.parametrize("keys", [{}, {"amp": True}], ids=["float32", "float16"])
def test_a_run_goes_on_on_the_gpu(keys: dict[str, Any], rounding: float) -> None:
    whole = train("vat_ns3l", "whole", deterministic=True, **keys, **GPU)
    assert_same(whole, cut_and_resumed("vat_ns3l", GPU, GPU, deterministic=True, **keys), rounding)


@pytest.mark.gpu
@pytest.mark.parametrize(("first", "then"), [(CPU, GPU), (GPU, CPU)], ids=["from the CPU", "to the CPU"])
def test_a_run_goes_on_on_the_other_device(first: dict[str, Any], then: dict[str, Any], rounding: float) -> None:
    whole = train("freematch_ns3l_dnll", "whole", **CPU)
    assert_same(whole, cut_and_resumed("freematch_ns3l_dnll", first, then), rounding)


@pytest.mark.gpu
@pytest.mark.parametrize(("first", "then"), [(CPU, GPU), (GPU, CPU)], ids=["from the CPU", "to the CPU"])
def test_a_run_in_half_precision_goes_on_on_the_other_device(first: dict[str, Any], then: dict[str, Any]) -> None:
    assert_sound(cut_and_resumed("fixmatch_ns3l", first, then, amp=True))


@pytest.mark.parametrize("first", [CPU, GPU], ids=["from the CPU", "on the GPU"])
@pytest.mark.parametrize(
    ("algorithm", "keys"),
    [
        ("adamatch_ns3l", {}),
        ("comatch", {}),
        ("crmatch", {}),
        ("dash_dnll", {}),
        ("dnll", {"dnll_selection": "error_perception"}),
        ("ds3l", {}),
        ("dualstudent", {}),
        ("fixmatch_ns3l", {"ns3l_rule": "oracle", "optim": "AdamW"}),
        ("flexmatch", {}),
        ("meanteacher_ns3l", {}),
        ("mixmatch_ns3l", {"mixmatch_official": True}),
        ("ns3l", {"ns3l_rule": "neighbor", "ns3l_neighbor_features": "network"}),
        ("pseudolabel_spl", {}),
        ("remixmatch", {}),
        ("simmatch", {}),
        ("softmatch_ns3l", {}),
        ("temporalensembling", {"temporalensembling_epoch": 0.4}),
        ("uasd", {"uasd_start": 0.0}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_state_goes_on(algorithm: str, keys: dict[str, Any], first: dict[str, Any], rounding: float) -> None:
    whole = train(algorithm, "whole", **keys, **CPU)
    assert_same(whole, cut_and_resumed(algorithm, first, GPU, **keys), rounding)
