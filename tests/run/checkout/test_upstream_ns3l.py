"""NS3L of the series for the host computes what this package's does."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from usb_negsamp.functional import ns3l_loss, threshold_negatives
from usb_negsamp.testing import build_tiny

[PATCH] = (Path(__file__).parents[3] / "patches" / "upstream").glob("*-Add-NS3L*.patch")
HOOKS = "semilearn/algorithms/ns3l/utils.py"


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The file of hooks that the patch adds, as a module."""
    section = PATCH.read_text(encoding="utf-8").split(f"\n+++ b/{HOOKS}\n")[1].split("\ndiff --git ")[0]
    path = tmp_path_factory.mktemp("theirs") / "ns3l_of_the_series.py"
    path.write_text("\n".join(line[1:] for line in section.splitlines() if line.startswith("+")) + "\n")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_loss_and_its_gradient_are_those_of_the_formula(theirs):
    logits = torch.randn(64, 5) * torch.logspace(-1, 2, 64).unsqueeze(1)
    negatives = torch.rand(64, 5) < 0.5
    negatives[:2] = torch.tensor([[True], [False]])
    ours, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    loss, other_loss = ns3l_loss(ours, negatives), theirs.ns3l_loss(other, negatives)
    loss.backward()
    other_loss.backward()
    torch.testing.assert_close(other_loss, loss)
    torch.testing.assert_close(other.grad, ours.grad)


def started(name: str, directory: Path, **values: Any) -> Any:
    algorithm = build_tiny(name, directory, **values)
    algorithm.model.train()
    algorithm.call_hook("before_run")
    algorithm.it = 3
    return algorithm


def taken(algorithm: Any, batch: dict[str, Any]) -> None:
    """The losses of a step on ``batch``, before those that hooks add."""
    torch.manual_seed(0)
    np.random.seed(0)
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**batch))


@pytest.mark.parametrize(
    ("base", "values"),
    [("fixmatch", {}), ("fixmatch", {"use_cat": False}), ("pseudolabel", {}), ("vat", {}), ("mixmatch", {})],
)
def test_a_step_has_the_same_logits_and_loss(theirs, tmp_path, base, values):
    ours = started(f"{base}_ns3l", tmp_path / "ours", ns3l_weight=0.7, ns3l_ramp=0.5, **values)
    plain = started(base, tmp_path / "plain", **values)
    plain.model.load_state_dict(ours.model.state_dict())
    kind = theirs.MixMatchNS3LHook if base == "mixmatch" else theirs.NS3LHook
    hook = kind(0.4 / ours.num_classes, 0.7, 0.5)
    batch: dict[str, Any] = {}
    for loader in (ours.loader_dict["train_lb"], ours.loader_dict["train_ulb"]):
        batch |= next(iter(loader))

    ours.call_hook("before_train_step")
    taken(ours, batch)
    hook.before_run(plain)
    hook.before_train_step(plain)
    taken(plain, batch)
    plain.batch = plain.process_batch(**batch)
    without = plain.out_dict["loss"].item()

    if base != "mixmatch":
        expected = ours.logits_of("x_ulb_w")
        torch.testing.assert_close(hook.logits_of(plain, plain.batch["x_ulb_w"]), expected)
        negatives = threshold_negatives(expected.detach().softmax(1), hook.threshold)
        assert torch.equal(hook.logits_and_negatives(plain)[1], negatives)
    ours.call_hook("after_train_step", "NS3LHook")
    hook.after_train_step(plain)
    assert plain.out_dict["loss"].item() != without
    torch.testing.assert_close(plain.out_dict["loss"], ours.out_dict["loss"])
