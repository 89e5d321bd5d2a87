"""A trained network is used without its data, and says what it said when its run was evaluated."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from one_line import contents

from usb_negsamp.data import load_source
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.checkpoints.file import read_checkpoint, write_checkpoint
from usb_negsamp.host.evaluation.saved import saved_figures
from usb_negsamp.run.cli.main import main
from usb_negsamp.run.finished_runs.network import load_network
from usb_negsamp.run.finished_runs.rebuild import build_again

WriteConfig = Callable[..., str]
SHORT = {
    "num_train_iter": 6,
    "num_log_iter": 2,
    "num_eval_iter": 2,
    "img_size": 16,
    "validation_size": 100,
    "ema_m": 0.9,
    "lr": 0.03,
}
OPEN = {"num_classes": 6, "seen_classes": [1, 2, 3, 4, 5, 9], "mismatch_ratio": 0.5, "num_unlabeled": 300}
OPEN = {**OPEN, "num_labels": 30}
SPL = {"algorithm": "pseudolabel_spl", "spl_rounds": 1, "spl_inner_steps": 4, "spl_outer_steps": 4}
RUN = Path("runs/one")


def trained(write_config: WriteConfig, **keys: Any) -> dict[str, str]:
    """The row of a run's results."""
    assert main(["train", "--c", write_config(**{**SHORT, **keys})]) == 0
    with (RUN / "results.csv").open(newline="") as file:
        [row] = csv.DictReader(file)
    return row


def raw_test_images() -> tuple[torch.Tensor, np.ndarray]:
    test = load_source("digits", data_dir="nowhere", img_size=16).test
    assert test is not None
    return torch.from_numpy(test.images).permute(0, 3, 1, 2).contiguous(), test.targets


def accuracy(which: str = "best", classes: tuple[int, ...] = tuple(range(10))) -> float:
    """Of the network on raw test images of the ``classes``, which are its outputs in order."""
    images, targets = raw_test_images()
    loaded = load_network(RUN, which)
    assert loaded.images.classes == tuple(map(str, classes))
    of_classes = np.isin(targets, classes)
    predicted = loaded.network(images[torch.from_numpy(of_classes)]).argmax(1).numpy()
    return float((np.array(classes)[predicted] == targets[of_classes]).mean())


@pytest.mark.parametrize(
    "keys",
    [
        {"algorithm": "vat_ns3l"},
        {"algorithm": "pseudolabel_dnll", "dnll_evaluate": "average"},
        {"algorithm": "pseudolabel_dnll"},
        {"algorithm": "vat", "preprocessing": "gcn_zca", "augmentation": "oliver"},
        {"algorithm": "supervised", "bn_batches": 2},
    ],
    ids=lambda keys: "-".join(map(str, keys.values())),
)
def test_raw_images_give_the_accuracy_of_the_run(keys: dict[str, Any], write_config: WriteConfig) -> None:
    row = trained(write_config, **keys)
    assert accuracy("best") == pytest.approx(float(row["test_acc_at_best"]))
    assert accuracy("last") == pytest.approx(float(row["test_acc_last"]))


def test_logits_are_bit_for_bit_those_of_the_evaluation(write_config: WriteConfig) -> None:
    trained(write_config, algorithm="vat_ns3l")
    algorithm = build_again(RUN)
    loaded = load_network(RUN, "last")
    algorithm.model.load_state_dict(read_checkpoint(loaded.file)["ema_model"])
    logits = algorithm.evaluate("test", return_logits=True)["test/logits"]
    # The evaluation lays images of this network out so; any other way differs by a rounding.
    images = raw_test_images()[0].contiguous(memory_format=torch.channels_last)
    parts = [loaded.network(part) for part in images.split(loaded.batch_size)]
    assert torch.equal(torch.cat(parts), torch.from_numpy(logits))
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
    assert not loaded.network.training


def test_the_seen_classes_and_the_threshold_of_an_open_set_run_are_in_its_checkpoints(
    write_config: WriteConfig,
) -> None:
    row = trained(write_config, **SPL, **OPEN)
    seen = (1, 2, 3, 4, 5, 9)
    assert accuracy("best", seen) == pytest.approx(float(row["test_acc_at_best"]))
    assert accuracy("spl", seen) == pytest.approx(float(row["spl_test_acc"]))
    algorithm = build_again(RUN, {"open_reject": "threshold"})
    for which in ("best", "last", "spl"):
        loaded = load_network(RUN, which)
        assert loaded.images.unseen_classes == ("0", "6", "7", "8")
        assert loaded.judge.threshold == saved_figures(algorithm, loaded.file)["open/reject_threshold"]


def test_an_algorithm_with_a_rule_of_its_own_judges_by_it(write_config: WriteConfig) -> None:
    row = trained(write_config, algorithm="openmatch", **OPEN)
    images, targets = raw_test_images()
    loaded = load_network(RUN)
    output = loaded.network.outputs(images)
    scores, rejected = loaded.judge.judged(output)
    assert rejected is not None
    assert torch.equal(rejected, scores > 0.5)
    assert ((scores >= 0) & (scores <= 1)).all()
    label = np.array(
        [loaded.images.classes.index(str(target)) if target in (1, 2, 3, 4, 5, 9) else 6 for target in targets]
    )
    decided = np.where(rejected.numpy(), 6, output["logits"].argmax(1).numpy())
    recalls = [(decided[label == number] == number).mean() for number in range(7)]
    assert float(np.mean(recalls)) == pytest.approx(float(row["open_balanced_acc"]))


def test_without_validation_images_nothing_sets_a_threshold(write_config: WriteConfig) -> None:
    trained(write_config, algorithm="supervised", **OPEN, validation_size=0)
    loaded = load_network(RUN)
    assert (loaded.open_set, loaded.judge.threshold, loaded.judge.rejects) == (True, None, False)
    _, rejected = loaded.judge.judged(loaded.network.outputs(raw_test_images()[0]))
    assert rejected is None


def test_an_old_checkpoint_says_what_to_do_and_is_used_with_its_data(write_config: WriteConfig) -> None:
    trained(write_config, algorithm="supervised", **OPEN)
    before = load_network(RUN)
    saved = read_checkpoint(before.file)
    write_checkpoint({name: saved[name] for name in saved if name not in ("image_format", "rejection")}, before.file)
    there = contents(RUN)
    with pytest.raises(ConfigError, match=r"model_best.pth does not say how images were .*give --data_dir DIR"):
        load_network(RUN)
    state = torch.get_rng_state()
    again = load_network(RUN, data_dir="nowhere")
    assert torch.equal(torch.get_rng_state(), state)
    assert contents(RUN) == there
    images, _ = raw_test_images()
    assert torch.equal(again.network(images), before.network(images))
    assert (again.images, again.judge.threshold) == (before.images, before.judge.threshold)


def test_a_network_with_a_head_of_an_imbalanced_algorithm_is_refused(write_config: WriteConfig) -> None:
    trained(write_config, algorithm="supervised")
    manifest = RUN / "manifest.json"
    content = json.loads(manifest.read_text())
    content["config"]["imb_algorithm"] = "abc"
    manifest.write_text(json.dumps(content))
    for more in ({}, {"data_dir": "nowhere"}):
        with pytest.raises(ConfigError, match="runs/one was evaluated by a head of imb_algorithm abc"):
            load_network(RUN, **more)
