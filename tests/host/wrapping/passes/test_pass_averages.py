"""Averages over passes, without asking for their number."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from usb_negsamp.host.wrapping.passes.pass_averages import averaging_passes


def _fed(layer: nn.BatchNorm2d) -> dict[str, Tensor]:
    """What seven passes leave, of which one is in evaluation mode and one with running statistics switched off."""
    torch.manual_seed(0)
    for number in range(7):
        layer.train(number != 2)
        layer.track_running_stats = number != 4
        layer(torch.randn(4, 3, 5, 5) + number)
    layer.train()
    return {name: buffer.clone() for name, buffer in layer.named_buffers()}


def test_statistics_are_those_of_pytorchs_own_average_to_the_bit() -> None:
    layer, other = nn.BatchNorm2d(3, momentum=0.001), nn.BatchNorm2d(3, momentum=None)
    layer(torch.randn(4, 3, 5, 5))
    with averaging_passes([layer]) as passes:
        found = _fed(layer)
    expected = _fed(other)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert passes[layer] == 5
    assert layer.momentum == 0.001


def test_no_number_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    as_float = Tensor.__float__

    def counted(self: Tensor) -> float:
        read.append(self)
        return as_float(self)

    monkeypatch.setattr(Tensor, "__float__", counted)
    layer = nn.BatchNorm2d(3)
    with averaging_passes([layer]):
        _fed(layer)
    assert read == []
    _fed(nn.BatchNorm2d(3, momentum=None))
    assert len(read) == 5


def test_an_error_puts_the_momentum_back() -> None:
    layer = nn.BatchNorm2d(3, momentum=0.2)
    with pytest.raises(ValueError, match="expected 4D"), averaging_passes([layer]):
        layer(torch.zeros(3))
    assert layer.momentum == 0.2
