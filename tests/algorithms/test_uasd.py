"""UASD: what it remembers, what it learns from, and that it is the host's supervised training without its loss."""

from __future__ import annotations

import math
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

EAGER = {"uasd_start": 0.0, "uasd_ramp": 0.0, "epoch": 1, "num_log_iter": 1}
OPEN = {"num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30}
SPL = {**OPEN, "spl_rounds": 1, "spl_inner_steps": 3, "spl_outer_steps": 3, "spl_inner_lr": 1.0}


class ByHand:
    """The method of the released code, image by image, in float64 on NumPy arrays."""

    def __init__(self, algorithm: Any) -> None:
        sizes = {part: len(algorithm.dataset_dict[part]) for part in ("train_lb", "train_ulb", "eval")}
        self.sums = {part: np.zeros((size, algorithm.num_classes)) for part, size in sizes.items()}
        self.threshold = 0.9

    @staticmethod
    def mean(sums: np.ndarray) -> np.ndarray:
        return sums / np.maximum(sums.sum(1, keepdims=True), 1.0)

    def loss(self, images: list[tuple[str, int, np.ndarray]]) -> float:
        """Mean cross-entropy over the images (part, index, logits) of which the mean is confident."""
        terms = []
        for part, index, logits in images:
            target = self.mean(self.sums[part][index : index + 1])[0]
            if target.max() >= self.threshold:
                terms.append(-(target * (logits - np.log(np.exp(logits).sum()))).sum())
        return float(np.mean(terms)) if terms else 0.0

    def remember(self, images: list[tuple[str, int, np.ndarray]]) -> None:
        for part, index, logits in images:
            self.sums[part][index] += np.exp(logits) / np.exp(logits).sum()
        seen = self.sums["eval"].sum(1) > 0
        self.threshold = float(self.mean(self.sums["eval"])[seen].max(1).mean())


def test_losses_and_threshold_are_those_of_the_released_code_step_by_step(tmp_path: Path) -> None:
    # Few images, so that all of them come again.
    algorithm = started("uasd", tmp_path, **{**EAGER, **OPEN}, num_train_iter=60)
    by_hand, passes = ByHand(algorithm), []
    algorithm.model.register_forward_hook(lambda module, inputs, output: passes.append(output["logits"].detach()))
    learned = 0
    for number, batch in enumerate(batches(algorithm)):
        if number == 60:
            break
        passes.clear()
        step(algorithm, batch)
        rows = passes[0].double().numpy()
        labeled, unlabeled = (batch[key].tolist() for key in ("idx_lb", "idx_ulb"))
        # 8 + 16 images a step, and a tenth of them of validation, in order and again from the first.
        size = len(algorithm.dataset_dict["eval"])
        validation = [(2 * number + place) % size for place in range(2)]
        parts = ["train_lb"] * 8 + ["train_ulb"] * 16 + ["eval"] * 2
        images = list(zip(parts, [*labeled, *unlabeled, *validation], rows, strict=True))
        logged = algorithm.log_dict
        assert float(logged["train/uasd_threshold"]) == pytest.approx(by_hand.threshold, rel=1e-4)
        expected = by_hand.loss(images[:24])
        assert float(logged["train/unsup_loss"]) == pytest.approx(expected, rel=1e-3, abs=1e-6)
        total = float(logged["train/sup_loss"]) + float(logged["train/unsup_loss"])
        assert algorithm.out_dict["loss"].item() == pytest.approx(total, rel=1e-5)
        learned += expected > 0
        by_hand.remember(images)
    assert learned > 20


def test_the_loss_begins_at_its_start_and_within_the_ramp_also_in_eight_iterations(tmp_path: Path) -> None:
    algorithm = started("uasd", tmp_path, **OPEN, num_train_iter=8, epoch=1)
    algorithm.memory.sums += 5.0
    algorithm.memory.confidences += 0.01
    weights = []
    for batch in batches(algorithm):
        step(algorithm, batch)
        logged = algorithm.log_dict
        extra = algorithm.out_dict["loss"] - logged["train/sup_loss"]
        weights.append(float(extra.detach()) / float(logged["train/unsup_loss"]))
    ramp = [np.exp(-5 * (1 - min(number / 3.2, 1)) ** 2) for number in range(8)]
    assert weights == pytest.approx([0.0, 0.0, *ramp[2:]], abs=1e-4)


def test_weight_0_is_supervised_training_bit_for_bit(tmp_path: Path) -> None:
    supervised = train_tiny("supervised", tmp_path / "supervised")
    without = train_tiny("uasd", tmp_path / "uasd", uasd_weight=0.0)
    assert same(parameters_of(supervised), parameters_of(without))
    assert supervised.results_dict == without.results_dict


def test_no_gradient_reaches_the_memory_and_the_teacher_is_the_past(tmp_path: Path) -> None:
    algorithm = started("uasd", tmp_path, **EAGER)
    batch = next(batches(algorithm))
    _, log_dict = algorithm.train_step(**batch)
    # Nobody was seen before: nothing is learned from.
    assert float(log_dict["train/unsup_loss"]) == 0.0
    assert not algorithm.memory.sums.requires_grad
    assert algorithm.memory.sums.sum().item() == pytest.approx(24.0, rel=1e-5)
    unseen = algorithm.memory.sums.sum(1) == 0
    assert unseen.sum() == len(algorithm.memory.sums) - 24


def test_without_validation_images_it_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="uasd sets its threshold by validation images: expected validation_size"):
        build_tiny("uasd", tmp_path, validation_size=0)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"uasd_weight": -1.0}, "uasd_weight: expected a number of at least 0, but got -1"),
        ({"uasd_start": 1.5}, "uasd_start: expected a number from 0 to 1, but got 1.5"),
        ({"uasd_ramp": -0.5}, "uasd_ramp: expected a number from 0 to 1, but got -0.5"),
    ],
)
def test_impossible_settings_are_one_clear_error(keys: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        build_tiny("uasd", tmp_path, **keys)


@pytest.mark.parametrize("keys", [{"use_cat": False}, {"num_classes": 2, "seen_classes": 2, "num_labels": 8}])
def test_passes_apart_and_another_number_of_classes(keys: dict[str, Any], tmp_path: Path) -> None:
    algorithm = train_tiny("uasd", tmp_path, **{**OPEN, **EAGER, **keys}, num_train_iter=4, num_eval_iter=4)
    assert algorithm.log_dict["train/util_ratio"] >= 0.0
    assert algorithm.memory.sums.shape[1] == algorithm.num_classes


@pytest.mark.parametrize(("name", "keys"), [("uasd", EAGER), ("uasd_ns3l", EAGER), ("uasd_spl", SPL)])
def test_it_keeps_to_what_is_expected_of_an_algorithm(
    name: str, keys: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = {**keys, "epoch": 2, "num_train_iter": 4, "num_eval_iter": 2}
    # The fixture that makes SPL's batch statistics quick is not there in other processes.
    two = not name.endswith("_spl")
    check_algorithm(
        name, overrides=overrides, expected_tags=["train/uasd_threshold", "train/unsup_loss"], two_processes=two
    )


def test_ns3l_reads_the_joint_pass_and_takes_none_of_its_own(tmp_path: Path) -> None:
    algorithm = started("uasd_ns3l", tmp_path, **EAGER)
    passes: list[int] = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: passes.append(len(inputs[0])))
    step(algorithm, next(batches(algorithm)))
    assert passes == [8 + 16 + 2]
    assert math.isfinite(float(algorithm.log_dict["train/ns3l_loss"]))


def test_each_network_of_dnll_remembers_its_own_predictions(tmp_path: Path) -> None:
    algorithm = train_tiny("uasd_dnll", tmp_path, **EAGER, num_train_iter=4, num_eval_iter=4)
    first, second = algorithm.memory, algorithm.peer.memory
    assert first.step == second.step == 4
    assert torch.equal(first.sums.sum(1).round(), second.sums.sum(1).round())
    assert not torch.equal(first.sums, second.sums)


def test_an_imbalanced_algorithm_around_it_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"imb_algorithm: expected none with UASD, .* but got darp"):
        build_tiny("uasd", tmp_path, imb_algorithm="darp")
