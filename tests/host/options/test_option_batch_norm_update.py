"""``bn_update``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from semilearn.core.utils import ALGORITHMS
from torch import Tensor, nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.options.batch_norm_update import HOOK_NAME, NAMES
from usb_negsamp.host.patching import undone
from usb_negsamp.run.configuration.keys import own_key
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

ONE_STEP = {"num_train_iter": 1, "epoch": 1, "num_eval_iter": 10, "lr": 1e-12, "ema_m": 0.0}


def first_layer(algorithm: Any) -> Any:
    return next(layer for layer in algorithm.model.modules() if isinstance(layer, nn.BatchNorm2d))


def learned_from(name: str, directory: Path, **overrides: Any) -> tuple[list[int], Any]:
    """Rows of the passes by which the first batch norm moves its running mean in one step, and the algorithm."""
    algorithm = build_tiny(name, directory, **{**ONE_STEP, **overrides})
    layer = first_layer(algorithm)
    rows: list[int] = []
    forward = layer.forward

    def recorded(images: Tensor) -> Tensor:
        before = layer.num_batches_tracked.clone()
        output = forward(images)
        if layer.num_batches_tracked != before:
            rows.append(len(images))
        return output

    layer.forward = recorded
    algorithm.train()
    return rows, algorithm


# The labeled batch has 8 rows, an unlabeled one 16.
PASSES: dict[tuple[str, str], list[int]] = {
    ("vat", "host"): [8],
    ("vat", "labeled"): [8],
    ("vat", "joint"): [8, 16],
    ("vat", "all"): [8, 16, 16, 16],
    ("pimodel", "labeled"): [8],
    ("pimodel", "joint"): [8, 16],
    ("pimodel", "all"): [8, 16, 16],
    ("pseudolabel", "joint"): [8, 16],
    ("meanteacher", "host"): [8],
    ("meanteacher", "joint"): [8, 16],
    ("meanteacher", "all"): [8, 16, 16],
    ("supervised", "labeled"): [8],
    ("supervised", "joint"): [8],
    ("mixmatch", "host"): [8],
    ("mixmatch", "labeled"): [8],
    ("fixmatch", "host"): [8, 16, 16],
    ("fixmatch", "labeled"): [8],
    ("fixmatch", "joint"): [8, 16],
}


@pytest.mark.parametrize(("name", "mode"), PASSES)
def test_the_passes_that_update_are_those_of_the_mode(tmp_path: Path, name: str, mode: str) -> None:
    rows, _ = learned_from(name, tmp_path, bn_update=mode, use_cat=False)
    assert rows == PASSES[name, mode]


@pytest.mark.parametrize(("mode", "rows"), [("host", [40]), ("labeled", [8]), ("joint", [40]), ("all", [40])])
def test_of_a_joined_pass_the_labeled_rows_alone_may_count(tmp_path: Path, mode: str, rows: list[int]) -> None:
    assert learned_from("fixmatch", tmp_path, bn_update=mode, use_cat=True)[0] == rows


def test_the_joined_labeled_rows_leave_the_statistics_of_their_own_pass(tmp_path: Path) -> None:
    statistics = []
    for use_cat in (False, True):
        _, algorithm = learned_from("fixmatch", tmp_path / str(use_cat), bn_update="labeled", use_cat=use_cat)
        layer = first_layer(algorithm)
        statistics.append(torch.cat([layer.running_mean, layer.running_var]))
    apart, joined = statistics
    assert torch.allclose(apart, joined, atol=1e-6)


@pytest.mark.parametrize(("mode", "by_teacher"), [("joint", [False, False]), ("all", [False, True, False])])
def test_the_pass_of_mean_teachers_teacher_counts_under_all_only(
    tmp_path: Path, mode: str, by_teacher: list[bool]
) -> None:
    algorithm = build_tiny("meanteacher", tmp_path, bn_update=mode, **ONE_STEP)
    seen: list[bool] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if layer.training and layer.track_running_stats:
            seen.append(bool(algorithm.ema.backup))

    first_layer(algorithm).register_forward_pre_hook(note)
    algorithm.train()
    assert seen == by_teacher


@pytest.mark.parametrize("name", ["vat", "fixmatch", "mixmatch", "meanteacher"])
def test_the_default_is_the_host_bit_for_bit(tmp_path: Path, name: str) -> None:
    ours = train_tiny(name, tmp_path / "ours")
    assert HOOK_NAME not in ours.hooks_dict
    with undone("batch_norm_update"):
        hosts = parameters_of(train_tiny(name, tmp_path / "hosts"))
    assert all(torch.equal(hosts[key], tensor) for key, tensor in parameters_of(ours).items())


@pytest.mark.parametrize("mode", ["labeled", "joint", "all"])
def test_the_mode_changes_no_weight_and_no_loss(tmp_path: Path, mode: str) -> None:
    host = train_tiny("vat", tmp_path / "host")
    other = train_tiny("vat", tmp_path / mode, bn_update=mode)
    assert all(torch.equal(p, q) for p, q in zip(host.model.parameters(), other.model.parameters(), strict=True))
    assert host.log_dict["train/total_loss"] == other.log_dict["train/total_loss"]
    same = torch.equal(first_layer(host).running_mean, first_layer(other).running_mean)
    assert same is (mode == "labeled")


def test_batch_norms_are_given_back_as_they_were_after_an_exception(tmp_path: Path) -> None:
    algorithm = build_tiny("vat", tmp_path, bn_update="joint", **ONE_STEP)
    hook = algorithm.hooks_dict[HOOK_NAME]
    hook.before_train_step(algorithm)
    hook.batch = {"x_lb": torch.zeros(8, 3, 16, 16)}
    algorithm.model.train()
    with pytest.raises(RuntimeError):
        algorithm.model(torch.zeros(4, 5, 16, 16))
    assert hook.rows is None
    assert all(layer.track_running_stats for layer in hook.layers)


def test_every_algorithm_of_the_host_trains_under_every_mode(tmp_path: Path) -> None:
    short = {"num_train_iter": 2, "epoch": 1, "num_eval_iter": 2}
    for name in ("comatch", "simmatch", "remixmatch", "crmatch", "dash", "softmatch"):
        if name not in ALGORITHMS:
            continue
        for mode in ("labeled", "joint"):
            assert train_tiny(name, tmp_path / name / mode, bn_update=mode, **short).it == 2


def test_an_unknown_choice_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^unknown bn_update 'label'; did you mean 'labeled'\?$"):
        build_tiny("vat", tmp_path, bn_update="label")


def test_the_key_offers_what_the_option_knows() -> None:
    key = own_key("bn_update")
    assert key is not None
    assert key.choices == NAMES
