"""A checkpoint that the run cannot go on from is one line, and nothing of it is loaded."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from altered_copy import ABSENT, altered

from usb_negsamp import ConfigError
from usb_negsamp.host.checkpoints.file import read_checkpoint, write_checkpoint
from usb_negsamp.host.checkpoints.fit import unlike
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

CONV = "stage1.conv.conv.weight"
SHORT = {"num_train_iter": 4, "num_eval_iter": 2}

WRONG: list[tuple[str, str, Any, str]] = [
    ("freematch", "ema_model", ABSENT, "it has no ema_model"),
    ("freematch", "optimizer", ABSENT, "it has no optimizer"),
    ("freematch", "it", ABSENT, "it has no it"),
    ("freematch", "best_eval_acc", ABSENT, "it has no best_eval_acc"),
    ("freematch", "scheduler", ABSENT, "it has no scheduler"),
    ("freematch", f"model/{CONV}", ABSENT, f"its model differs in 1 tensors, first {CONV} is missing"),
    ("freematch", f"model/{CONV}", torch.zeros(3), f"first {CONV} is (3,) there and (32, 3, 3, 3) here"),
    (
        "freematch",
        f"ema_model/{CONV}",
        torch.zeros(32, 3, 3, 3).int(),
        "its ema_model differs in 1 tensors",
    ),
    ("freematch", "model/more", torch.zeros(3), "first more is not expected"),
    ("freematch", "optimizer/param_groups/0/params", [0], "its optimizer has other groups of parameters"),
    ("freematch", "optimizer/param_groups/1", ABSENT, "its optimizer has other groups of parameters"),
    ("freematch", "optimizer/param_groups/0/lr", "fast", "of its optimizer, lr is 'fast' there and"),
    ("freematch", "optimizer/param_groups/0/momentum", ABSENT, "of its optimizer, it has no momentum"),
    ("freematch", "optimizer/param_groups/0/nesterov", ABSENT, "of its optimizer, it has no nesterov"),
    (
        "freematch",
        "optimizer/state/3/momentum_buffer",
        torch.zeros(2),
        "momentum_buffer is a tensor of 2",
    ),
    ("freematch", "optimizer/state/3/momentum_buffer", "x", "its optimizer's momentum_buffer is 'x'"),
    ("freematch", "optimizer/state/3/momentum_buffer", ABSENT, ""),
    ("freematch", "optimizer/state/999", {"momentum_buffer": None}, "its optimizer has a state of parameter 999"),
    ("freematch", "scheduler/last_epoch", ABSENT, "of its scheduler, it has no last_epoch"),
    ("freematch", "scheduler/last_epoch", None, "of its scheduler, last_epoch is nothing there and"),
    ("freematch", "scheduler/base_lrs", [0.1], "of its scheduler, base_lrs has 1 entries there and 2 here"),
    ("freematch", "scheduler/base_lrs/0", "x", "of its scheduler, base_lrs is 'x' there and"),
    ("freematch", "p_model", ABSENT, "p_model"),
    ("freematch", "p_model", torch.ones(9), "p_model is (9,) there and (10,) here"),
    ("freematch", "p_model", "x", "it does not fit (AttributeError: "),
    (
        "freematch",
        "run_state/hooks/MaskingHook/p_model",
        torch.ones(9),
        "its hook MaskingHook, p_model is (9,) there",
    ),
    ("freematch", "run_state/hooks/MaskingHook/p_model", ABSENT, "of its hook MaskingHook, it has no p_model"),
    ("freematch", "run_state/hooks/MaskingHook/m", "x", "of its hook MaskingHook, m is 'x' there and"),
    (
        "freematch",
        "run_state/hooks/MaskingHook/before_train_step",
        3,
        "its hook MaskingHook, before_train_step is 3",
    ),
    ("freematch", "run_state/hooks/EvaluationHook/last_acc", "x", "of its hook EvaluationHook, last_acc is 'x' there"),
    ("dash", "rho", "x", "of its hook MaskingHook, rho is"),
    ("flexmatch", "selected_label", torch.zeros(7).long(), "selected_label is (7,) there and"),
    ("simmatch", "mem_bank", 3, "it does not fit (AttributeError: "),
    ("fixmatch_dnll", "peer", ABSENT, "it has no peer, the second network with its optimizer"),
    ("fixmatch_dnll", "peer", 3, "it has no peer, the second network with its optimizer"),
    ("fixmatch_dnll", "peer/optimizer", ABSENT, "of its peer, it has no optimizer"),
    (
        "fixmatch_dnll",
        f"peer/model/{CONV}",
        torch.zeros(3),
        "of its peer, its model differs in 1 tensors",
    ),
    ("freematch_dnll", "peer/p_model", torch.zeros(3), "p_model is (3,) there and (10,) here"),
]


def numpy_words() -> bytes:
    words: bytes = np.random.get_state(legacy=False)["state"]["key"].tobytes()
    return words


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Of each algorithm, what four steps left."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for name in {name for name, *_ in WRONG}:
        run = train_tiny(name, folder / name, **SHORT)
        found[name] = read_checkpoint(folder / name / run.save_name / "latest_model.pth")
    return found


@pytest.mark.parametrize(("name", "path", "value", "line"), WRONG)
def test_what_does_not_fit_is_one_line_and_is_not_loaded(
    name: str, path: str, value: Any, line: str, checkpoints: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    content = altered(checkpoints[name], path, value)
    if path.startswith("optimizer/state/3") and value is ABSENT:
        content["optimizer"]["state"][3]["other"] = torch.zeros(())
        line = "its optimizer has no"
    if path == "rho":
        content["run_state"]["hooks"]["MaskingHook"]["rho"] = "x"
    file = tmp_path / "altered.pth"
    write_checkpoint(content, file)
    algorithm = build_tiny(name, tmp_path, **SHORT)
    weights, generators = parameters_of(algorithm), (torch.get_rng_state(), random.getstate(), numpy_words())
    with pytest.raises(ConfigError) as caught:
        resume(algorithm, file)
    wanted = f"expected a checkpoint of algorithm {name!r} with network 'small_cnn', but "
    assert str(caught.value).startswith(f"cannot resume from {file}: {wanted}")
    assert line in str(caught.value)
    assert len(str(caught.value)) < 500
    if not (path.startswith("peer/p_") or path.split("/")[0] in ("p_model", "selected_label", "mem_bank")):
        assert algorithm.it == 0
        assert all(torch.equal(tensor, weights[key]) for key, tensor in parameters_of(algorithm).items())
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]
    assert numpy_words() == generators[2]


def test_another_network_is_one_line(checkpoints: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    write_checkpoint(checkpoints["freematch"], tmp_path / "a.pth")
    with pytest.raises(ConfigError, match=r"'cnn3', but its model differs in \d+ tensors, first"):
        resume(build_tiny("freematch", tmp_path, **{**SHORT, "net": "cnn3"}), tmp_path / "a.pth")


def test_what_later_versions_may_add_need_not_be_there(checkpoints: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    content = checkpoints["freematch"]
    for path in ("scheduler/_step_count", "optimizer/param_groups/0/foreach", "optimizer/param_groups/0/maximize"):
        content = altered(content, path, ABSENT)
    content = altered(content, "run_state/hooks/AHookOfLater", {"number": 1})
    write_checkpoint(content, tmp_path / "a.pth")
    algorithm = build_tiny("freematch", tmp_path, **{**SHORT, "num_train_iter": 6})
    resume(algorithm, tmp_path / "a.pth")
    assert (algorithm.it, algorithm.scheduler.last_epoch) == (4, 4)
    algorithm.optimizer.step()


def test_more_than_is_asked_is_no_matter() -> None:
    assert unlike({"a": 1, "b": [], "c": None}, {"a": 2.0, "b": [1, 2], "c": torch.ones(2), "d": 3}) == ""
    assert unlike({"a": True}, {"a": 1}) == "a is 1 there and True here"
    assert unlike({"a": {"b": 1}}, {"a": {}}) == "of a, it has no b"
