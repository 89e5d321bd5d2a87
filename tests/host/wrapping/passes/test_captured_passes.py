"""Passes that are captured and replayed, with a recorder that does the work again in place of a GPU's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.options.accelerate_graph import in_graphs
from usb_negsamp.host.wrapping.passes.captured_passes import CapturedForward
from usb_negsamp.nets import small_cnn
from usb_negsamp.testing import parameters_of, tiny_arguments, train_tiny
from usb_negsamp.testing.tiny import build_from


class Repeated:
    """Work that is done again where a graph would be replayed."""

    def __init__(self, work: Callable[[], Sequence[Tensor | None]]) -> None:
        self.work, self.replays = work, 0
        self.tensors = work()

    def replay(self) -> None:
        self.replays += 1
        self.tensors = self.work()


class Repeating:
    """A recorder for the CPU. Capturing on a GPU does not run the work: what it moved here is moved back outside."""

    def __init__(self) -> None:
        self.recordings: list[Repeated] = []

    def pool(self) -> None:
        return None

    def record(self, work: Callable[[], Sequence[Tensor | None]], pool: None) -> Repeated:
        self.recordings.append(Repeated(work))
        return self.recordings[-1]

    def aside(self) -> AbstractContextManager[None]:
        return nullcontext()


@pytest.fixture
def recorder() -> Repeating:
    return Repeating()


def forward_of(network: nn.Module) -> CapturedForward:
    found = vars(network)["forward"]
    assert isinstance(found, CapturedForward)
    return found


def captured(network: nn.Module) -> int:
    return sum(map(len, forward_of(network).passes.values()))


def pair(recorder: Repeating) -> tuple[nn.Module, nn.Module]:
    """The same network as written and captured."""
    torch.manual_seed(0)
    plain = small_cnn(num_classes=4).train()
    other: nn.Module = in_graphs(small_cnn, recorder)(num_classes=4).train()
    other.load_state_dict(plain.state_dict())
    return plain, other


def assert_same_state(one: nn.Module, other: nn.Module) -> None:
    states = one.state_dict(), other.state_dict()
    assert list(states[0]) == list(states[1])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_steps_are_those_of_the_network_as_written_bit_for_bit(recorder: Repeating) -> None:
    """Two passes of one shape and one of another before each backward; running statistics move once a pass."""
    nets = pair(recorder)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9) for net in nets]
    for step in range(4):
        torch.manual_seed(step)
        batches = torch.randn(3, 6, 3, 16, 16)
        state = torch.get_rng_state()
        for net, optimizer in zip(nets, optimizers, strict=True):
            passes = [net(batches[0]), net(batches[1]), net(batches[2, :4])]
            loss = sum((passed["logits"].square().mean() + passed["feat"].mean() for passed in passes), torch.zeros(()))
            loss.backward()
            optimizer.step()
            net.zero_grad()
        assert torch.equal(torch.get_rng_state(), state)
        assert_same_state(*nets)
    assert captured(nets[1]) == 3
    assert [recording.replays for recording in recorder.recordings] == [4] * 6


def test_a_hook_on_the_network_hears_each_pass(recorder: Repeating) -> None:
    _, net = pair(recorder)
    heard = []
    images = torch.randn(2, 3, 16, 16)
    with net.register_forward_hook(
        lambda module, inputs, output: heard.append((inputs[0] is images, output["logits"]))
    ):
        outputs = [net(images)["logits"] for _ in range(2)]
    assert [same for same, _ in heard] == [True, True]
    assert all(logits is output for (_, logits), output in zip(heard, outputs, strict=True))


def test_what_is_not_trained_by_its_gradient_runs_as_written(recorder: Repeating) -> None:
    plain, net = pair(recorder)
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(net(images)["logits"], plain(images)["logits"])
    probe = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(probe)["logits"].sum(), probe)
    assert gradient.shape == images.shape
    net.eval()(images)
    features = plain(images)["feat"].detach()
    assert torch.equal(net.train()(features, only_fc=True), net.classifier(features))  # type: ignore[operator]
    assert captured(net) == 0


@pytest.mark.parametrize("change", ["hook", "mask", "forward"])
def test_what_stands_inside_the_network_is_heeded(change: str, recorder: Repeating) -> None:
    _, net = pair(recorder)
    images = torch.randn(2, 3, 16, 16)
    net(images)
    assert captured(net) == 1
    layer = net.classifier
    assert isinstance(layer, nn.Linear)
    if change == "hook":
        layer.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))
    elif change == "mask":
        parametrizations.weight_norm(layer)
        with torch.no_grad():
            layer.parametrizations.weight.original0.zero_()  # type: ignore[union-attr, operator]
            layer.bias.zero_()
    else:
        vars(layer)["forward"] = lambda features: torch.zeros(len(features), 4)
    assert bool((net(images)["logits"] == 0).all())


def test_other_weights_statistics_or_a_copy_are_captured_anew(recorder: Repeating) -> None:
    plain, net = pair(recorder)
    images = torch.randn(2, 3, 16, 16)
    net(images), plain(images)
    for network in (plain, net):
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.track_running_stats = False
    net(images), plain(images)
    assert_same_state(plain, net)
    assert captured(net) == 2
    kept = net.classifier.weight.data  # type: ignore[union-attr]
    net.classifier.weight.data = torch.zeros_like(kept)  # type: ignore[union-attr, arg-type]
    assert torch.equal(net(images)["logits"], net.classifier.bias.expand(2, 4))  # type: ignore[union-attr, operator]
    net.classifier.weight.data = kept  # type: ignore[union-attr]
    twin = copy.deepcopy(net)
    assert captured(twin) == 0
    assert forward_of(twin).network is twin
    assert torch.equal(twin(images)["logits"], plain(images)["logits"])


def test_gradients_add_up_over_backwards_of_the_same_pass(recorder: Repeating) -> None:
    nets = pair(recorder)
    images = torch.randn(2, 3, 16, 16)
    for net in nets:
        for _ in range(2):
            net(images)["logits"].sum().backward()
    assert captured(nets[1]) == 1
    for one, other in zip(*(net.parameters() for net in nets), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_in_bfloat16_weights_are_cast_anew_in_each_pass(recorder: Repeating) -> None:
    nets = pair(recorder)
    images = torch.randn(2, 3, 16, 16)
    for _ in range(2):
        outputs = []
        for net in nets:
            with torch.autocast("cpu"):
                outputs.append(net(images)["logits"])
            outputs[-1].float().square().sum().backward()
            with torch.no_grad():
                for parameter in net.parameters():
                    assert parameter.grad is not None
                    parameter.sub_(parameter.grad)
            net.zero_grad()
        assert outputs[0].dtype == outputs[1].dtype == torch.bfloat16
        assert torch.equal(*outputs)


def test_a_network_with_weight_normalization_is_refused(recorder: Repeating) -> None:
    def build() -> nn.Module:
        return nn.Sequential(parametrizations.weight_norm(nn.Linear(2, 2)))

    with pytest.raises(ConfigError, match="accelerate_graph: expected a network without hooks"):
        in_graphs(build, recorder)()


@pytest.mark.parametrize("name", ["vat_ns3l", "mixmatch", "meanteacher_ns3l", "fixmatch_dnll"])
def test_whole_runs_are_bit_for_bit_those_without(name: str, recorder: Repeating, tmp_path: Path) -> None:
    plain = parameters_of(train_tiny(name, tmp_path / "plain", num_train_iter=4, num_eval_iter=2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("usb_negsamp.host.options.accelerate_graph.CudaGraphs", lambda: recorder)
        patch.setattr("usb_negsamp.host.options.accelerate_graph.check", lambda args: None)
        args = tiny_arguments(name, tmp_path / "captured", num_train_iter=4, num_eval_iter=2, accelerate_graph=True)
        replayed = build_from(args)
    replayed.train()
    assert captured(replayed.model) > 0
    found = parameters_of(replayed)
    assert all(torch.equal(found[key], tensor) for key, tensor in plain.items())
