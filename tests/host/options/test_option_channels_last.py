"""``channels_last``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from stopped_run import train_stopped_and_resumed
from torch import nn

from usb_negsamp.host.options.channels_last import in_channels_last
from usb_negsamp.host.patching import undone
from usb_negsamp.nets import small_cnn
from usb_negsamp.testing import build_tiny, parameters_of, tiny_arguments, train_tiny


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


def trained_apart(dtype: torch.dtype, steps: int) -> list[float]:
    """Steps of SGD from the same weights on the same images in both layouts: the largest difference after each."""
    nets = []
    for last in (False, True):
        torch.manual_seed(0)
        builder = in_channels_last(small_cnn) if last else small_cnn
        nets.append(builder(num_classes=10).to(dtype))
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9) for net in nets]
    apart = []
    for _ in range(steps):
        images, labels = torch.randn(32, 3, 32, 32, dtype=torch.float64).to(dtype), torch.randint(10, (32,))
        for net, optimizer in zip(nets, optimizers, strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images)["logits"], labels).backward()
            optimizer.step()
        pairs = zip(*(net.parameters() for net in nets), strict=True)
        apart.append(max((one - other).abs().max().item() for one, other in pairs))
    return apart


def test_why_it_is_not_the_default() -> None:
    """It is the same arithmetic, as float64 shows, but each step in float32 makes the rounding of the last larger."""
    assert max(trained_apart(torch.float64, 12)) < 1e-13
    single = trained_apart(torch.float32, 12)
    assert single[0] < 1e-6
    assert single[-1] > 10 * single[0]
    assert not tiny_arguments("fixmatch", ".").channels_last
