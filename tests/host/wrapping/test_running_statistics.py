"""Running statistics of present weights, estimated anew as training feeds them."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from usb_negsamp.host.evaluation.networks import averaged_weights
from usb_negsamp.host.wrapping import running_statistics
from usb_negsamp.host.wrapping.after_training import training_batches
from usb_negsamp.host.wrapping.running_statistics import reestimate_batch_norm, reestimated_for_a_while
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

STEPS = 6


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_statistics, "NUM_STEPS", STEPS)


# Of what images a step makes the passes that the running statistics learn from: one list a pass.
LABELED, BOTH = [["x_lb"]], [["x_lb"], ["x_ulb_w"]]
JOINED = [["x_lb", "x_ulb_w", "x_ulb_s"]]
FED: dict[tuple[str, str, bool], list[list[str]]] = {
    ("vat", "host", True): LABELED,
    ("vat", "joint", True): BOTH,
    ("pimodel", "host", True): LABELED,
    ("supervised", "host", True): LABELED,
    ("ns3l", "host", True): [["x_lb", "x_ulb_w"]],
    ("fixmatch_ns3l", "host", True): JOINED,
    ("fixmatch_ns3l", "host", False): [["x_lb"], ["x_ulb_s"], ["x_ulb_w"]],
    ("fixmatch_ns3l", "labeled", True): LABELED,
}


@pytest.mark.parametrize(("name", "mode", "use_cat"), FED)
def test_statistics_are_of_the_rows_that_feed_the_running_ones_in_training(
    tmp_path: Path, name: str, mode: str, use_cat: bool
) -> None:
    algorithm = train_tiny(name, tmp_path, bn_update=mode, use_cat=use_cat)
    first = algorithm.model.stage1.conv
    batches = training_batches(algorithm, 0)
    steps = [next(batches) for _ in range(STEPS)]
    fed = [torch.cat([batch[key] for key in keys]) for batch in steps for keys in FED[name, mode, use_cat]]
    with torch.no_grad():
        outputs = [first.conv(images).transpose(0, 1).flatten(1) for images in fed]
    reestimate_batch_norm(algorithm)
    assert torch.allclose(first.bn.running_mean, torch.stack([o.mean(1) for o in outputs]).mean(0), atol=1e-5)
    assert torch.allclose(first.bn.running_var, torch.stack([o.var(1) for o in outputs]).mean(0), atol=1e-5)
    assert int(first.bn.num_batches_tracked) == STEPS * len(FED[name, mode, use_cat])
    assert first.bn.momentum == 0.1


def test_mixed_images_feed_them_where_they_do_in_training(tmp_path: Path) -> None:
    algorithm = train_tiny("mixmatch", tmp_path)
    tracked: list[Tensor] = []

    def note(network: nn.Module, inputs: tuple[Any, ...]) -> None:
        if network.training and algorithm.model.stage1.conv.bn.track_running_stats:
            tracked.append(inputs[0])

    algorithm.model.register_forward_pre_hook(note)
    reestimate_batch_norm(algorithm)
    assert len(tracked) == STEPS
    convolution = algorithm.model.stage1.conv.conv
    with torch.no_grad():
        means = [convolution(images).mean((0, 2, 3)) for images in tracked]
    assert torch.allclose(algorithm.model.stage1.conv.bn.running_mean, torch.stack(means).mean(0), atol=1e-5)
    plain = next(training_batches(algorithm, 0))["x_lb"]
    assert not any(torch.equal(images[: len(plain)], plain) for images in tracked)


def test_where_training_goes_on_without_moving_weights_its_statistics_become_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_statistics, "NUM_STEPS", 50)
    algorithm = train_tiny("vat", tmp_path, num_labels=200)
    long = build_tiny("vat", tmp_path / "long", num_labels=200, lr=1e-12, num_train_iter=200, num_eval_iter=200)
    for layer in long.model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.02
    live = algorithm.model.state_dict()
    long.model.load_state_dict(live)
    long.train()
    reestimate_batch_norm(algorithm)
    last, expected = algorithm.model.stage3.conv.bn, long.model.stage3.conv.bn
    deviation = expected.running_var.sqrt()
    assert float(((last.running_mean - expected.running_mean) / deviation).abs().max()) < 0.1
    assert float((last.running_var / expected.running_var - 1).abs().mean()) < 0.1


def everything(algorithm: Any) -> dict[str, Any]:
    """What a checkpoint has, flat, without the running statistics; and the generators."""
    flat: dict[str, Any] = {}

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                add(f"{name}/{key}", item)
        elif isinstance(value, (list, tuple)):
            for number, item in enumerate(value):
                add(f"{name}/{number}", item)
        elif "running_" not in name and "num_batches_tracked" not in name:
            flat[name] = value.clone() if isinstance(value, Tensor) else value

    add("", algorithm.get_save_dict())
    return flat


CARRYING = [
    "flexmatch",
    "freematch",
    "softmatch",
    "simmatch",
    "comatch",
    "remixmatch",
    "dash",
    "crmatch",
    "meanteacher",
]


@pytest.mark.parametrize("name", CARRYING)
def test_nothing_else_is_left_of_the_steps(tmp_path: Path, name: str) -> None:
    algorithm = train_tiny(f"{name}_ns3l", tmp_path)
    before, drawn = everything(algorithm), (random.getstate(), pickle.dumps(np.random.get_state()))
    statistics = [buffer.clone() for buffer in algorithm.model.buffers()]
    reestimate_batch_norm(algorithm)
    after = everything(algorithm)
    assert before.keys() == after.keys()
    different = [
        key
        for key, value in before.items()
        if not (torch.equal(value, after[key]) if isinstance(value, Tensor) else np.all(value == after[key]))
    ]
    assert different == []
    assert drawn[0] == random.getstate()
    assert drawn[1] == pickle.dumps(np.random.get_state())
    assert algorithm.model.training
    assert all(parameter.grad is None for parameter in algorithm.model.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(statistics, algorithm.model.buffers(), strict=True))


def test_the_same_steps_are_taken_each_time_and_the_old_statistics_come_back(tmp_path: Path) -> None:
    algorithm = train_tiny("vat", tmp_path)
    own = parameters_of(algorithm)
    found = []
    for _ in range(2):
        with reestimated_for_a_while(algorithm):
            found.append(parameters_of(algorithm))
        now = parameters_of(algorithm)
        assert all(torch.equal(tensor, now[name]) for name, tensor in own.items())
        torch.rand(1)
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())
    assert any(not torch.equal(tensor, own[name]) for name, tensor in found[0].items())


def test_a_batch_norm_that_no_pass_feeds_keeps_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = train_tiny("supervised", tmp_path)
    own = [buffer.clone() for buffer in algorithm.model.buffers()]
    step = type(algorithm).train_step

    def frozen(self: Any, x_lb: Tensor, y_lb: Tensor) -> Any:
        self.bn_controller.freeze_bn(self.model)
        try:
            return step(self, x_lb, y_lb)
        finally:
            self.bn_controller.unfreeze_bn(self.model)

    monkeypatch.setattr(type(algorithm), "train_step", frozen)
    reestimate_batch_norm(algorithm)
    assert all(torch.equal(a, b) for a, b in zip(own, algorithm.model.buffers(), strict=True))


def test_passes_after_it_are_not_taken_for_those_of_a_step(tmp_path: Path) -> None:
    algorithm = train_tiny("vat_ns3l", tmp_path, bn_update="all")
    reestimate_batch_norm(algorithm)
    assert algorithm.logits_tape.passes == []
    own = [buffer.clone() for buffer in algorithm.model.buffers()]
    algorithm.bn_controller.freeze_bn(algorithm.model)
    images = next(training_batches(algorithm, 0))["x_lb"]
    loss = F.cross_entropy(algorithm.model(images)["logits"], torch.zeros(len(images), dtype=torch.long))
    algorithm.bn_controller.unfreeze_bn(algorithm.model)
    assert loss.isfinite()
    assert all(torch.equal(a, b) for a, b in zip(own, algorithm.model.buffers(), strict=True))
    with averaged_weights(algorithm):
        algorithm.model(images)
    assert algorithm.logits_tape.passes == []
