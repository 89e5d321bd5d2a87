"""Temporal Ensembling: its memory by image and epoch, and that it is supervised training without its loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from in_steps import batches, started, step
from pair_step import same

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

OPEN = {"num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30}
SPL = {**OPEN, "spl_rounds": 1, "spl_inner_steps": 3, "spl_outer_steps": 3, "spl_inner_lr": 1.0}
EAGER = {"temporalensembling_ramp": 0.0, "epoch": 1, "num_log_iter": 1}
SHORT_EPOCHS = {**EAGER, "temporalensembling_epoch": 0.25}


def softmax(logits: np.ndarray) -> np.ndarray:
    top: np.ndarray = np.exp(logits - logits.max(1, keepdims=True))
    return top / top.sum(1, keepdims=True)


def test_the_losses_are_those_of_algorithm_2_step_by_step(tmp_path: Path) -> None:
    # 298 images in batches of 16: a pass is 19 steps; a quarter of the training, 15, does not visit all of them.
    algorithm = started("temporalensembling", tmp_path, **{**EAGER, **OPEN}, num_train_iter=60)
    passes: list[torch.Tensor] = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: passes.append(output["logits"].detach()))
    past: list[list[np.ndarray]] = [[] for _ in range(298)]
    epoch: dict[int, np.ndarray] = {}
    missed = 0
    for number, batch in enumerate(batches(algorithm)):
        if number == 60:
            break
        passes.clear()
        step(algorithm, batch)
        probs = softmax(passes[0].double().numpy()[8:])
        indices = batch["idx_ulb"].tolist()
        terms = []
        for row, index in enumerate(indices):
            ages = range(len(past[index]) - 1, -1, -1)
            weights = np.array([0.6**age for age in ages])
            target = (weights[:, None] * np.array(past[index])).sum(0) / weights.sum() if past[index] else None
            terms.append(0.0 if target is None else float(((probs[row] - target) ** 2).mean()))
        logged = algorithm.log_dict
        assert float(logged["train/unsup_loss"]) == pytest.approx(float(np.mean(terms)), rel=1e-3, abs=1e-7)
        assert float(logged["train/util_ratio"]) == pytest.approx(np.mean([len(past[i]) > 0 for i in indices]))
        total = float(logged["train/sup_loss"]) + 30.0 * float(np.mean(terms))
        assert algorithm.out_dict["loss"].item() == pytest.approx(total, rel=1e-3)
        epoch.update(zip(indices, probs, strict=True))
        if (number + 1) % 15 == 0:
            missed += 298 - len(epoch)
            for index, prediction in epoch.items():
                past[index].append(prediction)
            epoch.clear()
            assert algorithm.memory.epochs.tolist() == [len(one) for one in past]
    assert missed > 0
    assert max(map(len, past)) == 4


def test_an_epoch_is_a_pass_over_the_pool_a_quarter_of_a_short_training_or_what_is_asked_for(tmp_path: Path) -> None:
    memory = build_tiny("temporalensembling", tmp_path / "pass", **OPEN).memory
    assert [memory.steps_of_an_epoch(length, 16) for length in (8, 40, 76, 10_000)] == [2, 10, 19, 19]
    assert memory.steps_of_an_epoch(10_000, 300) == 1
    asked = build_tiny("temporalensembling", tmp_path / "asked", **OPEN, temporalensembling_epoch=0.1).memory
    assert [asked.steps_of_an_epoch(length, 16) for length in (4, 40, 10_000)] == [1, 4, 1000]


def test_eight_iterations_pass_through_several_epochs(tmp_path: Path) -> None:
    algorithm = train_tiny("temporalensembling", tmp_path, **OPEN, num_train_iter=8, num_eval_iter=8, epoch=1)
    # Targets are made anew after the second, fourth, sixth and eighth.
    assert algorithm.memory.step == 0
    assert algorithm.memory.epochs.max() >= 1
    assert int(algorithm.memory.epochs.sum()) >= 8 * 16 - 8


def test_the_ramp_is_the_papers(tmp_path: Path) -> None:
    keys = {**OPEN, "temporalensembling_ramp": 0.5, "temporalensembling_weight": 7.0}
    algorithm = started("temporalensembling", tmp_path, **keys, num_train_iter=10, epoch=1)
    algorithm.memory.memory += 0.4 / 6
    algorithm.memory.epochs += 1
    weights = []
    for batch in [*batches(algorithm)][:10]:
        step(algorithm, batch)
        logged = algorithm.log_dict
        extra = algorithm.out_dict["loss"] - logged["train/sup_loss"]
        weights.append(float(extra.detach()) / float(logged["train/unsup_loss"]))
    assert weights == pytest.approx([7 * np.exp(-5 * (1 - min(n / 5, 1)) ** 2) for n in range(10)], rel=1e-2)


def test_weight_0_is_supervised_training_bit_for_bit(tmp_path: Path) -> None:
    supervised = train_tiny("supervised", tmp_path / "supervised")
    without = train_tiny("temporalensembling", tmp_path / "without", temporalensembling_weight=0.0)
    assert same(parameters_of(supervised), parameters_of(without))
    assert supervised.results_dict == without.results_dict


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"temporalensembling_weight": -1.0}, "_weight: expected a number of at least 0, but got -1"),
        ({"temporalensembling_decay": 1.0}, "_decay: expected a number from 0 to below 1, but got 1"),
        ({"temporalensembling_ramp": 2.0}, "_ramp: expected a number from 0 to 1, but got 2"),
        ({"temporalensembling_epoch": 0.0}, "_epoch: expected a number above 0 and at most 1, but got 0"),
    ],
)
def test_impossible_settings_are_one_clear_error(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"temporalensembling{message}"):
        build_tiny("temporalensembling", tmp_path, **keys)


@pytest.mark.parametrize("keys", [{"use_cat": False}, {"num_classes": 2, "seen_classes": 2, "num_labels": 8}])
def test_passes_apart_and_another_number_of_classes(keys: dict[str, Any], tmp_path: Path) -> None:
    keys = {**OPEN, **SHORT_EPOCHS, **keys, "num_train_iter": 4, "num_eval_iter": 4}
    algorithm = train_tiny("temporalensembling", tmp_path, **keys)
    assert algorithm.memory.memory.shape[1] == algorithm.num_classes
    assert algorithm.memory.epochs.max() >= 1


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("temporalensembling", SHORT_EPOCHS),
        ("temporalensembling_ns3l", SHORT_EPOCHS),
        ("temporalensembling_spl", SPL),
    ],
)
def test_it_keeps_to_what_is_expected_of_an_algorithm(
    name: str, keys: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # Few images, so that they come again and learn from what they were.
    overrides = {**OPEN, **keys, "num_unlabeled": 40, "epoch": 2, "num_train_iter": 6, "num_eval_iter": 3}
    # The fixture that makes SPL's batch statistics quick is not there in other processes.
    two = not name.endswith("_spl")
    check_algorithm(
        name, overrides=overrides, expected_tags=["train/unsup_loss", "train/util_ratio"], two_processes=two
    )
