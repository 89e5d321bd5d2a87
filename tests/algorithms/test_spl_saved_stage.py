"""A stage of SPL that the run cannot go on from is one line, before anything of the run is changed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from spl_runs import SHORT, Cut, CutHook

from usb_negsamp import ConfigError
from usb_negsamp.host.checkpoints.file import read_checkpoint, write_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny

NAME = "freematch_dnll_spl"
LAYER = "stage1.conv.conv"
KEYS = {**SHORT, "num_train_iter": 4, "num_eval_iter": 4, "spl_inner_steps": 2, "spl_outer_steps": 2}
ABSENT = object()

WRONG: list[tuple[tuple[str, ...], Any, str]] = [
    ((), 3, "spl: expected the state of SPL's stage, but got 3"),
    (("position",), [0, 1], "spl: position: expected five whole numbers of at least 0, but got a list of 2 entries"),
    (("position",), ABSENT, "spl: position: expected five whole numbers of at least 0, but got nothing"),
    (("ratio",), "x", "spl: ratio: expected a number from 0 to 1, but got 'x'"),
    (("layers",), [1], "spl: layers: expected a list of names of layers"),
    (("layers",), [LAYER], "of its stage of SPL, it masks 1 layers where this run would mask"),
    (("network",), None, "spl: network: expected tensors by their names, but got nothing"),
    (("network", f"{LAYER}.parametrizations.weight.0.scores"), ABSENT, "its network differs in 1 tensors"),
    (("network", f"{LAYER}.parametrizations.weight.0.mask"), torch.ones(3), "its network differs in 1 tensors"),
    (("average", f"{LAYER}.parametrizations.weight.original"), ABSENT, "it has no stage1.conv.conv.parametrizations"),
    (("optimizer",), 3, "spl: optimizer: expected the state of an optimizer, but got 3"),
    (("before_round", LAYER), torch.zeros(3, dtype=torch.bool), f"{LAYER} is (3,) there and"),
    (("history",), [{"train/spl_round": "x"}], "spl: history: expected a list of records of rounds"),
    (("best",), {"round": 1}, "spl: best: expected the best round"),
    (("carried",), [], "spl: carried: expected what the algorithm carries"),
    (("carried", "p_model"), torch.zeros(3), "p_model is (3,) there and (10,) here"),
    (("carried", "peer", "model"), {"a": 3}, "spl: carried: peer: model: expected tensors by their names"),
    (("carried", "peer", "ema_model", f"{LAYER}.weight"), torch.ones(3), f"of ema_model, {LAYER}.weight is (3,) there"),
    (("run_state", "numpy_rng"), 3, "spl: run_state: numpy_rng: expected the state of NumPy's generator, but got 3"),
    (("run_state",), ABSENT, "spl: run_state: expected what a run carries beside its network, but got nothing"),
    (("start",), {"eval/spl_acc": "x"}, "spl: start: expected figures by their names"),
    (("finished",), [{"rate": 0.1}], "spl: finished: expected a list of stages that are done"),
    (("start_carried",), 3, "spl: start_carried: expected what the algorithm carries, but got 3"),
]


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a run left that was stopped in the second round of its stage."""
    run = build_tiny(NAME, tmp_path_factory.mktemp("run"), **KEYS)
    run.register_hook(CutHook(6), None, "LOWEST")
    run.train()
    with pytest.raises(Cut):
        run.finetune()
    return read_checkpoint(f"{run.run_directory}/latest_model.pth")


@pytest.mark.parametrize(
    ("path", "value", "line"), WRONG, ids=lambda value: "/".join(value) if isinstance(value, tuple) else ""
)
def test_what_does_not_fit_is_named(
    path: tuple[str, ...], value: Any, line: str, cut: dict[str, Any], tmp_path: Path
) -> None:
    content = copy.deepcopy(cut)
    *parents, last = ("spl", *path)
    inner: Any = content
    for part in parents:
        inner = inner[part]
    if value is ABSENT:
        del inner[last]
    else:
        inner[last] = value
    write_checkpoint(content, tmp_path / "a.pth")
    with pytest.raises(ConfigError) as caught:
        resume(build_tiny(NAME, tmp_path, **KEYS), tmp_path / "a.pth")
    assert line in str(caught.value)
    assert str(tmp_path / "a.pth") in str(caught.value)
    assert len(str(caught.value)) < 500


def test_what_was_cut_is_gone_on_with(cut: dict[str, Any], tmp_path: Path) -> None:
    write_checkpoint(cut, tmp_path / "a.pth")
    run = build_tiny(NAME, tmp_path, **KEYS)
    resume(run, tmp_path / "a.pth")
    assert run.resumed_stage["position"] == cut["spl"]["position"]


def test_what_the_stage_leaves_at_its_end_is_no_start(tmp_path: Path) -> None:
    run = build_tiny(NAME, tmp_path, **{**KEYS, "spl_rounds": 1})
    run.train()
    run.finetune()
    with pytest.raises(ConfigError, match="but it has no optimizer"):
        resume(build_tiny(NAME, tmp_path, **KEYS), f"{run.run_directory}/model_spl.pth")
