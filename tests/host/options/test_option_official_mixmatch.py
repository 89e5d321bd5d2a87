"""``mixmatch_official``."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from stopped_run import train_stopped_and_resumed
from torch import Tensor, nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils.parametrizations import weight_norm

from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import threshold_negatives
from usb_negsamp.host.options import official_mixmatch
from usb_negsamp.host.options.official_mixmatch import (
    HOOK_NAME,
    KernelDecayHook,
    MixMatchSettings,
    draw_mixing,
    kernels_of,
)
from usb_negsamp.host.patching import undone
from usb_negsamp.run.configuration.resolution import Sources, definitions_for, resolve
from usb_negsamp.testing import build_tiny, parameters_of, tiny_arguments, train_tiny

OFFICIAL = {"mixmatch_official": True, "uratio": 1, "mixup_alpha": 0.75, "weight_decay": 0.0}
ONE_STEP = {"num_train_iter": 1, "epoch": 1, "num_eval_iter": 10}


def same(one: Any, other: Any) -> bool:
    return all(torch.equal(parameters_of(other)[key], tensor) for key, tensor in parameters_of(one).items())


class Recorded(NamedTuple):
    """A step taken apart: its batch, draws, passes in order, and what it returned."""

    batch: dict[str, Tensor]
    partners: list[int]
    weights: list[float]
    inputs: list[Tensor]
    logits: list[Tensor]
    updates: list[bool]
    out: dict[str, Any]
    log: dict[str, Any]


def one_step(algorithm: Any, monkeypatch: pytest.MonkeyPatch, uratio: int = 1) -> Recorded:
    """Take ``algorithm``'s step on a random batch, and record it."""
    views = torch.randn(2, 8 * uratio, 3, 16, 16)
    batch = {"x_lb": torch.randn(8, 3, 16, 16), "y_lb": torch.arange(8), "x_ulb_w": views[0], "x_ulb_s": views[1]}
    drawn: list[tuple[Tensor, Tensor]] = []
    inputs: list[Tensor] = []
    logits: list[Tensor] = []
    layer: Any = next(layer for layer in algorithm.model.modules() if isinstance(layer, nn.BatchNorm2d))
    counts = [int(layer.num_batches_tracked)]

    def draw(*args: Any) -> tuple[Tensor, Tensor]:
        drawn.append(draw_mixing(*args))
        return drawn[-1]

    def record(module: nn.Module, args: tuple[Tensor, ...], output: dict[str, Tensor]) -> None:
        inputs.append(args[0].detach().clone())
        logits.append(output["logits"].detach().clone())
        counts.append(int(layer.num_batches_tracked))

    monkeypatch.setattr(official_mixmatch, "draw_mixing", draw)
    handle = algorithm.model.register_forward_hook(record)
    out, log = algorithm.train_step(**batch)
    handle.remove()
    ((partners, weights),) = drawn
    updates = [count > earlier for earlier, count in itertools.pairwise(counts)]
    return Recorded(batch, partners.tolist(), weights.tolist(), inputs, logits, updates, out, log)


def softmax(logits: list[float]) -> list[float]:
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / sum(powers) for power in powers]


def mixed_labels(step: Recorded, temperature: float = 0.5) -> list[list[float]]:
    """The labels of all rows after guessing, sharpening and mixing, by plain loops in float64."""
    first, second = ([softmax(row) for row in logits.double().tolist()] for logits in step.logits[:2])
    guesses = []
    for one, other in zip(first, second, strict=True):
        powers = [((p + q) / 2) ** (1 / temperature) for p, q in zip(one, other, strict=True)]
        guesses.append([power / sum(powers) for power in powers])
    labels = [[float(k == label) for k in range(10)] for label in step.batch["y_lb"].tolist()] + guesses + guesses
    mixed = []
    for row, label in enumerate(labels):
        weight, partner = step.weights[row], labels[step.partners[row]]
        mixed.append([weight * p + (1 - weight) * q for p, q in zip(label, partner, strict=True)])
    return mixed


def logits_of_mixed_rows(step: Recorded) -> list[list[float]]:
    """The logits of each mixed image, which is looked for among the inputs of the passes."""
    images = torch.cat([step.batch[key] for key in ("x_lb", "x_ulb_w", "x_ulb_s")]).double()
    passed, logits = torch.cat(step.inputs[2:]).double(), torch.cat(step.logits[2:]).double()
    rows = []
    for row, weight in enumerate(step.weights):
        mixed = weight * images[row] + (1 - weight) * images[step.partners[row]]
        distance = (passed - mixed).abs().flatten(1).amax(1)
        assert distance.min() < 1e-5
        assert distance.topk(2, largest=False).values[1] > 1e-2
        rows.append(logits[distance.argmin()].tolist())
    return rows


def test_the_default_is_the_hosts_mixmatch_bit_for_bit(tmp_path: Path) -> None:
    ours = train_tiny("mixmatch", tmp_path / "ours", mixmatch_kernel_decay=0.5)
    with undone("official_mixmatch"):
        hosts = train_tiny("mixmatch", tmp_path / "hosts")
    assert same(ours, hosts)
    assert set(ours.hooks_dict) == set(hosts.hooks_dict)


@pytest.mark.parametrize("uratio", [1, 2])
def test_the_losses_are_the_papers_by_plain_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uratio: int) -> None:
    settings = {**OFFICIAL, "uratio": uratio, "ulb_loss_ratio": 75.0, "unsup_warm_up": 0.5, "T": 0.5}
    algorithm = build_tiny("mixmatch", tmp_path, **settings)
    algorithm.it = 2
    step = one_step(algorithm, monkeypatch, uratio)
    labels, logits = mixed_labels(step), logits_of_mixed_rows(step)
    assert len(labels) == len(logits) == 8 * (1 + 2 * uratio)
    cross_entropy, squares = 0.0, 0.0
    for row, (label, logit) in enumerate(zip(labels, logits, strict=True)):
        for target, p in zip(label, softmax(logit), strict=True):
            if row < 8:
                cross_entropy -= target * math.log(p) / 8
            else:
                squares += (target - p) ** 2 / (16 * uratio * 10)
    assert step.log["train/sup_loss"].item() == pytest.approx(cross_entropy, rel=1e-5)
    assert step.log["train/unsup_loss"].item() == pytest.approx(squares, rel=1e-5)
    # Two of the five steps of the ramp.
    assert step.out["loss"].item() == pytest.approx(cross_entropy + 75 * 0.4 * squares, rel=1e-5)
    assert step.log["train/total_loss"] == step.out["loss"]


def test_every_row_is_mixed_by_a_weight_of_its_own_with_any_of_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = one_step(build_tiny("mixmatch", tmp_path, **OFFICIAL), monkeypatch)
    assert sorted(step.partners) == list(range(24))
    assert len(set(step.weights)) > 12
    assert 0.5 <= min(step.weights) <= max(step.weights) <= 1.0


@pytest.mark.parametrize("uratio", [1, 2])
def test_only_the_first_mixed_pass_moves_the_running_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uratio: int
) -> None:
    algorithm = build_tiny("mixmatch", tmp_path, **{**OFFICIAL, "uratio": uratio})
    step = one_step(algorithm, monkeypatch, uratio)
    assert [len(images) for images in step.inputs] == [8 * uratio] * 2 + [8] * (1 + 2 * uratio)
    assert step.updates == [False, False, True] + [False] * (2 * uratio)


def test_every_mixed_pass_holds_a_third_of_each_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without mixing each row is an image of the batch.
    step = one_step(build_tiny("mixmatch", tmp_path, **{**OFFICIAL, "mixup_alpha": 0.0}), monkeypatch)
    for images in step.inputs[2:]:
        for key in ("x_lb", "x_ulb_w", "x_ulb_s"):
            held = (images.flatten(1).unsqueeze(1) == step.batch[key].flatten(1)).all(2).sum()
            assert held in (2, 3)


def test_the_gradient_goes_through_the_predictions_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build_tiny("mixmatch", tmp_path, **OFFICIAL)
    targets: list[Tensor] = []
    for criterion in (algorithm.ce_loss, algorithm.consistency_loss):
        criterion.register_forward_hook(lambda module, args, output: targets.append(args[1]))
    one_step(algorithm, monkeypatch).out["loss"].backward()
    assert [len(target) for target in targets] == [8, 16]
    assert not any(target.requires_grad for target in targets)
    assert all(parameter.grad is not None for parameter in algorithm.model.parameters())


def test_weight_decay_touches_the_weights_of_convolutions_and_linear_layers_only(tmp_path: Path) -> None:
    algorithm = build_tiny("mixmatch", tmp_path, **OFFICIAL, optim="SGD", lr=0.5)
    before = {name: parameter.detach().clone() for name, parameter in algorithm.model.named_parameters()}
    for parameter in algorithm.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    algorithm.hooks_dict[HOOK_NAME].before_train_step(algorithm)
    algorithm.optimizer.step()
    kernels = [name for name, weight in before.items() if weight.dim() > 1]
    assert 0 < len(kernels) < len(before)
    for name, parameter in algorithm.model.named_parameters():
        factor = 1 - 0.02 * 0.5 if name in kernels else 1.0
        assert torch.equal(parameter, before[name] * factor), name


def test_kernels_are_decayed_once_a_step_by_the_learning_rate_of_that_step(tmp_path: Path) -> None:
    drop = {"lr_schedule": "step", "lr_decay_iters": [2], "lr": 0.01, "num_warmup_iter": 0}
    algorithm = build_tiny("mixmatch", tmp_path, **OFFICIAL, **drop, num_train_iter=4, epoch=2, optim="Adam")
    hook, rates = algorithm.hooks_dict[HOOK_NAME], []
    hook.decay_kernels = lambda optimizer, args, kwargs: rates.append(optimizer.param_groups[0]["lr"])
    algorithm.train()
    assert rates == pytest.approx([0.01, 0.01, 0.002, 0.002])


def test_a_step_that_the_loss_scaler_skips_decays_nothing(tmp_path: Path) -> None:
    algorithm = build_tiny("mixmatch", tmp_path, **OFFICIAL)
    algorithm.hooks_dict[HOOK_NAME].before_train_step(algorithm)
    before = parameters_of(algorithm)
    scaler = GradScaler("cpu")
    scaler.scale(algorithm.model(torch.randn(4, 3, 16, 16))["logits"].sum() * float("inf")).backward()
    scaler.step(algorithm.optimizer)
    after = parameters_of(algorithm)
    assert all(
        torch.equal(before[f"model.{name}"], after[f"model.{name}"])
        for name in dict(algorithm.model.named_parameters())
    )


def test_a_new_optimizer_is_listened_to_and_the_old_one_let_go() -> None:
    layer, hook = nn.Linear(2, 2), KernelDecayHook(0.5)
    layer.weight.data.fill_(1.0)
    algorithm = type("Algorithm", (), {"model": layer})()
    optimizers = [torch.optim.SGD(layer.parameters(), lr=1.0) for _ in range(2)]
    for algorithm.optimizer in optimizers:
        for _ in range(2):
            hook.before_train_step(algorithm)
    for optimizer in optimizers:
        optimizer.step()
    assert layer.weight.unique().item() == 0.5


def test_a_weight_normalized_layer_is_decayed_by_its_length() -> None:
    layer = weight_norm(nn.Linear(3, 2))
    before = layer.weight.detach().clone()
    (kernel,) = kernels_of(layer)
    with torch.no_grad():
        kernel.mul_(0.5)
    assert torch.allclose(layer.weight, before * 0.5)
    normalized = nn.Sequential(nn.BatchNorm2d(3), nn.LayerNorm(3), nn.Embedding(3, 3))
    assert kernels_of(normalized) == []


def test_the_average_is_taken_of_the_decayed_weights(tmp_path: Path) -> None:
    algorithm = train_tiny("mixmatch", tmp_path, **OFFICIAL, **ONE_STEP, ema_m=0.0, mixmatch_kernel_decay=5.0)
    plain = train_tiny("mixmatch", tmp_path / "plain", **OFFICIAL, **ONE_STEP, ema_m=0.0, mixmatch_kernel_decay=0.0)
    assert HOOK_NAME not in plain.hooks_dict
    live, averaged = algorithm.model.state_dict(), algorithm.ema_model.state_dict()
    for name, parameter in plain.model.named_parameters():
        factor = 1 - 5.0 * algorithm.args.lr if parameter.dim() > 1 else 1.0
        assert torch.allclose(live[name], parameter * factor, atol=1e-7)
        assert torch.allclose(averaged[name], live[name], atol=1e-7)


def test_ns3l_sees_the_logits_and_the_mixed_labels_of_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build_tiny("mixmatch_ns3l", tmp_path, **OFFICIAL, ns3l_threshold=0.05)
    hook = algorithm.hooks_dict["NS3LHook"]
    hook.before_run(algorithm)
    step = one_step(algorithm, monkeypatch)
    logits, negatives = hook.logits_and_negatives(algorithm)
    assert logits.requires_grad
    assert torch.allclose(logits, torch.tensor(logits_of_mixed_rows(step)), atol=1e-6)
    assert torch.equal(negatives, threshold_negatives(torch.tensor(mixed_labels(step)), 0.05))
    assert negatives.shape == (24, 10)


def test_ns3l_around_it_adds_no_pass(tmp_path: Path) -> None:
    counts = []
    for name in ("mixmatch", "mixmatch_ns3l"):
        algorithm = build_tiny(name, tmp_path / name, **OFFICIAL, **ONE_STEP)
        passes: list[int] = []
        algorithm.model.register_forward_pre_hook(
            lambda module, inputs, passes=passes: passes.append(1) if module.training else None
        )
        algorithm.train()
        counts.append(len(passes))
    assert counts == [5, 5]


def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    settings = {**OFFICIAL, "optim": "Adam", "lr": 2e-3, "lr_schedule": "constant", "unsup_warm_up": 0.5}
    whole = train_tiny("mixmatch_ns3l", tmp_path / "whole", **settings)
    assert same(whole, train_stopped_and_resumed("mixmatch_ns3l", tmp_path / "stopped", 7, **settings))


def test_it_trains_under_autocast_with_float32_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = one_step(build_tiny("mixmatch", tmp_path, **OFFICIAL, amp=True), monkeypatch)
    assert {logits.dtype for logits in step.logits} == {torch.bfloat16}
    assert step.out["loss"].dtype == step.log["train/unsup_loss"].dtype == torch.float32
    step.out["loss"].backward()


def test_algorithms_for_imbalanced_data_find_the_features_of_plain_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = one_step(build_tiny("mixmatch", tmp_path / "plain", **OFFICIAL), monkeypatch)
    assert plain.out["feat"].keys() == {"x_ulb_w", "x_ulb_s"}
    algorithm = build_tiny("mixmatch", tmp_path / "darp", **OFFICIAL)
    algorithm.args.imb_algorithm = "darp"
    monkeypatch.undo()
    features = algorithm.train_step(**plain.batch)[0]["feat"]
    assert {key: len(rows) for key, rows in features.items()} == {"x_lb": 8, "x_ulb_w": 8, "x_ulb_s": 8}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            {"mixup_manifold": True},
            r"^mixup_manifold: expected false with mixmatch_official, which mixes images, but got",
        ),
        ({"bn_update": "labeled"}, r"^bn_update: expected host or all with mixmatch_official, .* but got 'labeled'$"),
        ({"bn_update": "joint"}, r"^bn_update: expected host or all with mixmatch_official, .* but got 'joint'$"),
    ],
)
def test_a_value_that_it_cannot_obey_is_one_line(tmp_path: Path, settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        build_tiny("mixmatch", tmp_path, **OFFICIAL, **settings)
    assert MixMatchSettings.from_arguments(tiny_arguments("mixmatch", tmp_path, **settings)).official is False


@pytest.mark.parametrize("others", [{}, OFFICIAL])
def test_a_negative_decay_of_kernels_is_one_line(tmp_path: Path, others: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^mixmatch_kernel_decay: expected a number of at least 0, but got -0.1$"):
        build_tiny("mixmatch", tmp_path, **others, mixmatch_kernel_decay=-0.1)


def test_the_preset_decays_kernels_by_the_authors_share_and_nothing_else() -> None:
    values = {"preset": "ns3l-mixmatch", "algorithm": "mixmatch_ns3l", "dataset": "cifar10"}
    args = resolve(Sources(None, values, {})).args
    assert MixMatchSettings.from_arguments(args) == MixMatchSettings(official=True, kernel_decay=0.02)
    assert args.mixmatch_kernel_decay * args.lr == pytest.approx(4e-5)
    assert (args.weight_decay, args.ema_m, args.uratio) == (0.0, 0.999, 1)


def test_the_keys_belong_to_mixmatch_alone() -> None:
    for name in ("mixmatch", "mixmatch_ns3l"):
        assert {"mixmatch_official", "mixmatch_kernel_decay"} <= definitions_for(name).keys()
    assert "mixmatch_official" not in definitions_for("vat")
