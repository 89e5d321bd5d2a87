"""``accelerate_graph`` on a real GPU: the pretended one has no graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pretended_gpu
import pytest
import torch
from device_runs import GPU, assert_same, assert_sound, cut_and_resumed, losses_of, train

from usb_negsamp.host.wrapping.passes.captured_passes import CapturedForward
from usb_negsamp.testing import build_tiny, parameters_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(pretended_gpu.is_pretended(), reason="a pretended GPU has no graphs"),
]
SAME = {"deterministic": True, **GPU}


@pytest.mark.parametrize("algorithm", ["fixmatch_ns3l", "mixmatch", "meanteacher_ns3l", "fixmatch_dnll", "vat_ns3l"])
def test_a_run_by_graphs_is_the_run_without(algorithm: str, rounding: float) -> None:
    plain, replayed = (train(algorithm, str(graph), accelerate_graph=graph, **SAME) for graph in (False, True))
    assert_sound(replayed)
    assert list(plain.weights()) == list(replayed.weights())
    assert_same(plain, replayed, 10 * rounding if algorithm.startswith("vat") else rounding)


@pytest.mark.parametrize(
    "keys", [{"amp_dtype": "bfloat16"}, {"amp_dtype": "float16"}], ids=lambda keys: keys["amp_dtype"]
)
def test_it_goes_with_half_precision_and_channels_last(keys: dict[str, Any]) -> None:
    both = {"amp": True, "channels_last": True, **keys, **SAME}
    plain, replayed = (train("fixmatch_ns3l", str(graph), accelerate_graph=graph, **both) for graph in (False, True))
    assert_sound(replayed)
    assert losses_of(replayed) == pytest.approx(losses_of(plain), rel=0.05, abs=0.02)


def test_each_shape_is_captured_once_and_replayed_in_the_steps_that_follow(tmp_path: Path) -> None:
    algorithm = build_tiny("fixmatch_ns3l", tmp_path, accelerate_graph=True, **GPU)
    algorithm.train()
    forward = vars(algorithm.model)["forward"]
    assert isinstance(forward, CapturedForward)
    assert sum(map(len, forward.passes.values())) == 1
    assert all(bool(torch.isfinite(tensor).all()) for tensor in parameters_of(algorithm).values())


@pytest.mark.parametrize("algorithm", ["fixmatch_ns3l", "fixmatch_dnll"])
def test_a_stopped_run_by_graphs_goes_on_by_graphs(algorithm: str, rounding: float) -> None:
    """The passes are captured anew, and change nothing that the checkpoint holds."""
    keys = {"accelerate_graph": True, "deterministic": True}
    whole = train(algorithm, "whole", **keys, **GPU)
    assert_same(whole, cut_and_resumed(algorithm, GPU, GPU, **keys), rounding)


def test_spl_after_it_runs_under_its_masks(rounding: float) -> None:
    plain, replayed = (train("pseudolabel_spl", str(graph), accelerate_graph=graph, **SAME) for graph in (False, True))
    assert_same(plain, replayed, rounding)
