"""Passes that leave the running statistics alone."""

from __future__ import annotations

import pytest
import torch
from semilearn.core import AlgorithmBase
from semilearn.core.utils import Bn_Controller
from torch import nn

from usb_negsamp.host.patching import undone


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.two = nn.BatchNorm2d(4)
        self.one = nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.one(self.two(self.conv(x)).relu().mean((2, 3)))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(1)) + 1


def _buffers(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in net.named_buffers()}


def _changed(net: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, buffer in net.named_buffers() if not torch.equal(buffer, before[name])}


def test_host_forgets_batch_norms_of_one_dimension(net: Net, images: torch.Tensor) -> None:
    with undone("batch_norm_control"):
        controller = Bn_Controller()
        before = _buffers(net)
        controller.freeze_bn(net)
        net(images)
        controller.unfreeze_bn(net)
    assert _changed(net, before) == {"one.running_mean", "one.running_var", "one.num_batches_tracked"}


def test_no_batch_norm_learns_from_a_frozen_pass(net: Net, images: torch.Tensor) -> None:
    controller = Bn_Controller()
    before = _buffers(net)
    controller.freeze_bn(net)
    assert torch.equal(net(images), _not_frozen(net)(images))
    assert _changed(net, before) == set()
    controller.unfreeze_bn(net)
    net(images)
    assert _changed(net, before) == set(before)


def _not_frozen(net: Net) -> Net:
    """The same weights, not frozen."""
    free = Net()
    free.load_state_dict(net.state_dict())
    return free


def test_frozen_network_still_evaluates_with_its_running_statistics(net: Net, images: torch.Tensor) -> None:
    net(images)
    expected = net.eval()(images)
    controller = Bn_Controller()
    controller.freeze_bn(net)
    assert torch.equal(net(images), expected)


def test_host_is_stuck_after_an_exception_inside_a_frozen_pass(net: Net) -> None:
    with undone("batch_norm_control"):
        controller = Bn_Controller()
        controller.freeze_bn(net)
        with pytest.raises(AssertionError):
            controller.freeze_bn(net)


def test_an_exception_inside_a_frozen_pass_does_not_reach_the_next_step(net: Net, images: torch.Tensor) -> None:
    algorithm = object.__new__(AlgorithmBase)
    algorithm.bn_controller = Bn_Controller()
    algorithm.gpu = None
    algorithm.bn_controller.freeze_bn(net)
    assert algorithm.process_batch(input_args=[], x_lb=images) == {}
    before = _buffers(net)
    net(images)
    assert _changed(net, before) == set(before)
    algorithm.bn_controller.freeze_bn(net)
    algorithm.bn_controller.freeze_bn(net)
    algorithm.bn_controller.unfreeze_bn(net)
    assert net.two.track_running_stats
    assert net.one.track_running_stats


def test_batch_norm_without_running_statistics_stays_without() -> None:
    net = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False))
    controller = Bn_Controller()
    controller.freeze_bn(net)
    controller.unfreeze_bn(net)
    assert not net[0].track_running_stats


def test_synchronized_and_three_dimensional_batch_norms_are_frozen_too() -> None:
    net = nn.Sequential(nn.BatchNorm3d(2), nn.SyncBatchNorm(2))
    controller = Bn_Controller()
    controller.freeze_bn(net)
    assert [layer.track_running_stats for layer in net] == [False, False]
    controller.unfreeze_bn(net)
    assert [layer.track_running_stats for layer in net] == [True, True]
