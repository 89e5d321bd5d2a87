"""``channels_last``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stopped_run import train_stopped_and_resumed
from torch import nn

from usb_negsamp.host.patching import undone
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny


def networks_of(algorithm: Any) -> list[nn.Module]:
    """Every network that an algorithm holds, averaged ones and a peer's included."""
    owners = [algorithm, *([algorithm.peer] if hasattr(algorithm, "peer") else [])]
    return [net for owner in owners for net in (owner.model, owner.ema_model)]


def laid_out(net: nn.Module) -> list[bool]:
    """Whether each convolution's weight lies channels last (and not also, by its shape, channels first)."""
    weights = [layer.weight for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert weights
    return [w.is_contiguous(memory_format=torch.channels_last) and not w.is_contiguous() for w in weights]


@pytest.mark.parametrize("name", ["fixmatch", "comatch", "vat_ns3l", "dnll", "fixmatch_dnll", "dualstudent"])
def test_every_network_of_a_run_is_laid_out_and_stays_so(name: str, tmp_path: Path) -> None:
    algorithm = train_tiny(name, tmp_path, channels_last=True, num_train_iter=2, num_eval_iter=2)
    assert all(all(laid_out(net)) for net in networks_of(algorithm))
    assert not any(any(laid_out(net)) for net in networks_of(build_tiny(name, tmp_path)))


def test_activations_follow_the_weights(tmp_path: Path) -> None:
    """Else each layer would turn its input round."""
    net = build_tiny("fixmatch", tmp_path, channels_last=True).model
    feature_map = net.extract(torch.randn(2, 3, 32, 32))
    assert feature_map.is_contiguous(memory_format=torch.channels_last)


def test_the_numbers_are_the_same_up_to_rounding(tmp_path: Path) -> None:
    first, last = (
        parameters_of(train_tiny("fixmatch_ns3l", tmp_path / str(choice), channels_last=choice, num_train_iter=4))
        for choice in (False, True)
    )
    assert all(torch.allclose(first[key], last[key], rtol=1e-3, atol=1e-4) for key in first)


def test_the_default_is_the_hosts_bit_for_bit(tmp_path: Path) -> None:
    ours = parameters_of(train_tiny("fixmatch", tmp_path / "ours"))
    with undone("channels_last"):
        hosts = parameters_of(train_tiny("fixmatch", tmp_path / "hosts", channels_last=True))
    assert all(torch.equal(hosts[key], value) for key, value in ours.items())


def test_a_stopped_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    expected = parameters_of(train_tiny("fixmatch_ns3l", tmp_path / "whole", channels_last=True))
    again = train_stopped_and_resumed("fixmatch_ns3l", tmp_path / "again", 6, channels_last=True)
    assert all(torch.equal(expected[key], value) for key, value in parameters_of(again).items())
