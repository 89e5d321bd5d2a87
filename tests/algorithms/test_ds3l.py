"""DS3L: the step that is imagined, the weights that learn by it, and that nobody else notices."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from in_steps import batches, started, step
from pair_step import same
from torch import Tensor, nn

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.ds3l.look_ahead import Views, weight_gradients
from usb_negsamp.algorithms.ds3l.weights import WeightNet
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

EAGER = {"ds3l_ramp": 0.0, "num_log_iter": 1}
OPEN = {"num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30}
SPL = {**OPEN, "spl_rounds": 1, "spl_inner_steps": 3, "spl_outer_steps": 3, "spl_inner_lr": 1.0}
# Weights that move fast, so that a wrong gradient of theirs shows in the network.
FAST = {**EAGER, "ds3l_look_ahead_lr": 0.5, "ds3l_weights_lr": 0.05}


class SmoothNet(nn.Module):
    """A small network in float64 that can be differentiated as often as is wanted."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.hidden, self.norm, self.out = nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, num_classes)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.norm(self.hidden(x)).tanh()
        return {"logits": self.out(features), "feat": features}


def problem(num_classes: int = 4) -> tuple[Any, WeightNet, Views]:
    torch.manual_seed(0)
    network, weight_net = SmoothNet(num_classes).double(), WeightNet(num_classes).double()
    x_lb, x_ulb_w, x_ulb_s = (torch.randn(n, 5, dtype=torch.float64) for n in (6, 9, 9))
    views = Views(x_lb, torch.arange(6) % num_classes, x_ulb_w, x_ulb_w + 0.3 * x_ulb_s)
    return SimpleNamespace(model=network, distributed=False), weight_net, views


def loss_behind_the_step(network: nn.Module, weight_net: WeightNet, views: Views, weight: float, lr: float) -> float:
    """The labeled loss after one step, by a copy that takes it."""
    joint = network(torch.cat((views.x_lb, views.x_ulb_w)))["logits"]
    labeled, first = joint[:6], joint[6:].softmax(1)
    second = network(views.x_ulb_s)["logits"].softmax(1)
    errors = ((second - first.detach()) ** 2).mean(1)
    weights = weight_net(first)
    total = F.cross_entropy(labeled, views.y_lb) + weight * (weights * errors).sum() / weights.sum()
    gradients = torch.autograd.grad(total, list(network.parameters()))
    moved = SmoothNet(4).double()
    with torch.no_grad():
        for mine, own, gradient in zip(moved.parameters(), network.parameters(), gradients, strict=True):
            mine.copy_(own - lr * gradient)
        return F.cross_entropy(moved(views.x_lb)["logits"], views.y_lb).item()


def test_the_gradient_through_the_step_is_that_of_finite_differences() -> None:
    algorithm, weight_net, views = problem()
    weight, lr = 20.0, 0.3
    found, loss = weight_gradients(algorithm, weight_net, views, weight, lr)
    assert loss.item() == pytest.approx(loss_behind_the_step(algorithm.model, weight_net, views, weight, lr), rel=1e-9)
    for parameter, gradient in zip(weight_net.parameters(), found, strict=True):
        for place in range(0, parameter.numel(), max(1, parameter.numel() // 5)):
            values = []
            for shift in (1e-5, -1e-5):
                with torch.no_grad():
                    parameter.view(-1)[place] += shift
                values.append(loss_behind_the_step(algorithm.model, weight_net, views, weight, lr))
                with torch.no_grad():
                    parameter.view(-1)[place] -= shift
            numeric = (values[0] - values[1]) / 2e-5
            assert gradient.view(-1)[place].item() == pytest.approx(numeric, rel=1e-4, abs=1e-9)


def test_weights_that_follow_the_gradient_lower_the_loss_behind_the_step() -> None:
    algorithm, weight_net, views = problem()
    losses = []
    for _ in range(20):
        gradients, loss = weight_gradients(algorithm, weight_net, views, 20.0, 0.3)
        losses.append(loss.item())
        with torch.no_grad():
            for parameter, gradient in zip(weight_net.parameters(), gradients, strict=True):
                parameter.sub_(gradient, alpha=0.5)
    assert all(after < before for before, after in itertools.pairwise(losses))


def test_looking_ahead_leaves_the_network_as_it_was() -> None:
    algorithm, weight_net, views = problem()
    network = algorithm.model
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    seen: list[Any] = []
    network.register_forward_hook(lambda *_: seen.append(1))
    vars(network)["forward"] = lambda *_: seen.append(1)
    weight_gradients(algorithm, weight_net, views, 20.0, 0.3)
    assert same(before, dict(network.state_dict()))
    assert all(parameter.grad is None for parameter in [*network.parameters(), *weight_net.parameters()])
    assert network.training
    assert not seen, "what listens to passes, the tape among it, takes it for one of the step's"


def test_where_all_weights_are_0_nothing_is_learned_and_all_is_finite() -> None:
    algorithm, weight_net, views = problem()
    with torch.no_grad():
        list(weight_net.parameters())[-1].fill_(-1e4)
    gradients, loss = weight_gradients(algorithm, weight_net, views, 20.0, 0.3)
    assert all(bool((gradient == 0).all()) for gradient in gradients)
    assert torch.isfinite(loss)


def test_the_loss_of_a_step_is_the_weighted_mean_by_the_weights_as_they_are_then(tmp_path: Path) -> None:
    algorithm = started("ds3l", tmp_path, **{**FAST, "ds3l_weight": 3.0})
    weights_before = [p.detach().clone() for p in algorithm.learned_weights.network.parameters()]
    passes: list[Tensor] = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: passes.append(output["logits"].detach()))
    step(algorithm, next(batches(algorithm)))
    joint, second = (logits.double() for logits in passes)
    first = joint[8:].softmax(1)
    network = algorithm.learned_weights.network
    with torch.no_grad():
        weights = network(first.float()).double()
    assert not all(torch.equal(*pair) for pair in zip(weights_before, network.parameters(), strict=True))
    errors = ((second.softmax(1) - first) ** 2).sum(1) / 10
    expected = (weights * errors).sum() / weights.sum()
    logged = algorithm.log_dict
    assert float(logged["train/unsup_loss"]) == pytest.approx(expected.item(), rel=1e-4)
    assert float(logged["train/ds3l_mean_weight"]) == pytest.approx(weights.mean().item(), rel=1e-4)
    total = float(logged["train/sup_loss"]) + 3.0 * expected.item()
    assert algorithm.out_dict["loss"].item() == pytest.approx(total, rel=1e-4)
    counts = {int(b) for name, b in algorithm.model.named_buffers() if name.endswith("num_batches_tracked")}
    assert counts == {1}, "batch norms learn from the joint pass alone"


def test_the_weights_and_their_optimizer_are_in_the_checkpoint(tmp_path: Path) -> None:
    algorithm = train_tiny("ds3l", tmp_path, **FAST, num_train_iter=4, num_eval_iter=4)
    saved = read_checkpoint(Path(algorithm.save_dir, algorithm.save_name, "latest_model.pth"))["ds3l"]
    assert same(saved["weights"], dict(algorithm.learned_weights.network.state_dict()))
    assert {float(state["step"]) for state in saved["optimizer"]["state"].values()} == {4.0}
    other = build_tiny("ds3l", tmp_path / "other", **FAST)
    other.load_model(str(Path(algorithm.save_dir, algorithm.save_name, "latest_model.pth")))
    assert same(saved["weights"], dict(other.learned_weights.network.state_dict()))


def test_weight_0_is_supervised_training_bit_for_bit(tmp_path: Path) -> None:
    supervised = train_tiny("supervised", tmp_path / "supervised")
    without = train_tiny("ds3l", tmp_path / "without", ds3l_weight=0.0)
    assert same(parameters_of(supervised), parameters_of(without))
    assert supervised.results_dict == without.results_dict


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"ds3l_weight": -1.0}, "ds3l_weight: expected a number of at least 0, but got -1"),
        ({"ds3l_ramp": 1.5}, "ds3l_ramp: expected a number from 0 to 1, but got 1.5"),
        ({"ds3l_look_ahead_lr": 0.0}, "ds3l_look_ahead_lr: expected a number above 0, but got 0"),
        ({"ds3l_weights_lr": -1.0}, "ds3l_weights_lr: expected a number above 0, but got -1"),
    ],
)
def test_impossible_settings_are_one_clear_error(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        build_tiny("ds3l", tmp_path, **keys)


@pytest.mark.parametrize("keys", [{"use_cat": False}, {"num_classes": 2, "seen_classes": 2, "num_labels": 8}])
def test_passes_apart_and_another_number_of_classes(keys: dict[str, Any], tmp_path: Path) -> None:
    algorithm = train_tiny("ds3l", tmp_path, **{**OPEN, **EAGER, **keys}, num_train_iter=2, num_eval_iter=2)
    assert math.isfinite(float(algorithm.log_dict["train/unsup_loss"]))


@pytest.mark.parametrize("net", ["cnn13", "timm:vit_tiny_patch16_224"])
def test_networks_with_normalized_weights_dropout_and_attention_can_be_differentiated_twice(
    net: str, tmp_path: Path
) -> None:
    size = {"img_size": 224 if "vit" in net else 32, "batch_size": 2, "uratio": 1}
    algorithm = started("ds3l", tmp_path, **{**EAGER, **size, "net": net})
    step(algorithm, next(batches(algorithm)))
    assert torch.isfinite(algorithm.out_dict["loss"])


@pytest.mark.parametrize(("name", "keys"), [("ds3l", FAST), ("ds3l_ns3l", EAGER), ("ds3l_spl", SPL)])
def test_it_keeps_to_what_is_expected_of_an_algorithm(
    name: str, keys: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = {**keys, "epoch": 2, "num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}
    tags = ["train/unsup_loss", "train/ds3l_mean_weight", "train/ds3l_look_ahead_loss"]
    # The fixture that makes SPL's batch statistics quick is not there in other processes.
    two = not name.endswith("_spl")
    check_algorithm(name, overrides=overrides, expected_tags=tags, two_processes=two)


def test_each_network_of_dnll_has_weights_of_its_own(tmp_path: Path) -> None:
    algorithm = train_tiny("ds3l_dnll", tmp_path, **FAST, num_train_iter=2, num_eval_iter=2)
    first, second = (dict(one.learned_weights.network.state_dict()) for one in (algorithm, algorithm.peer))
    assert not same(first, second)
    assert torch.isfinite(algorithm.peer.out_dict["loss"])
