"""Multi-Task Curriculum: soft labels over epochs, the images that they keep, and MixMatch on those alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.mtc.heads import DOMAIN_LOGITS, DOMAIN_THRESHOLD
from usb_negsamp.algorithms.mtc.hook import SoftLabelHook
from usb_negsamp.algorithms.mtc.settings import MTCSettings
from usb_negsamp.functional import otsu_threshold
from usb_negsamp.host import Hook
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

OPEN: dict[str, Any] = {
    "num_classes": 6,
    "seen_classes": 6,
    "num_labels": 30,
    "mismatch_ratio": 0.5,
    "num_unlabeled": 300,
}


class Observer(Hook):
    """Calls a function after each step, when it was evaluated and saved."""

    settings_only = True

    def __init__(self, act: Any) -> None:
        self.act = act

    def after_train_step(self, algorithm: Any) -> None:
        self.act(algorithm)


class Images:
    """Remembers the images that were chosen."""

    chosen: Any = None

    def choose(self, chosen: Any) -> None:
        self.chosen = chosen


def hook_of(size: int = 4, **values: Any) -> SoftLabelHook:
    return SoftLabelHook(MTCSettings(**values), Images(), size, num_train_iter=10)  # type: ignore[arg-type]


def test_a_run_of_eight_steps_has_a_warm_up_and_chooses_anew_in_each_step_after_it(tmp_path: Path) -> None:
    logged: list[dict[str, float]] = []
    keys = {"num_train_iter": 8, "num_eval_iter": 4, "epoch": 1}
    algorithm = build_tiny("mtc", tmp_path, **keys)
    algorithm.register_hook(Observer(lambda algorithm: logged.append(dict(algorithm.log_dict))), "Observer")
    algorithm.train()
    assert ["train/sup_loss" in figures for figures in logged] == [False] + [True] * 7
    assert [figures["train/mtc_kept"] < 1 for figures in logged] == [False] + [True] * 7
    assert algorithm.scores.epochs == 7
    assert algorithm.it == 8


def test_an_image_that_an_epoch_does_not_visit_keeps_its_score() -> None:
    hook = hook_of(warm_up=0.3, epoch=0.1, memory=2)
    visits = [([0, 1, 2], [0.8, 0.2, 0.4]), ([0, 3], [0.6, 0.9]), ([1], [0.4])]
    labels = []
    for rows, probs in visits:
        hook.record(torch.tensor(rows), torch.tensor(probs))
        hook.end_epoch(choose=False)
        labels.append(hook.soft_labels.tolist())
    # None before two epochs are there; then the mean of what the last two ended with.
    assert labels[0] == [0.0] * 4
    assert labels[1] == pytest.approx([0.7, 0.2, 0.4, 0.45])
    assert labels[2] == pytest.approx([0.6, 0.3, 0.4, 0.9])
    assert bool(hook.kept.all()), "nothing is chosen in the warm-up"


def test_those_above_otsus_threshold_are_kept_and_images_that_were_never_seen_are_not() -> None:
    hook = hook_of(size=6, warm_up=0.1, epoch=0.1)
    probs = torch.tensor([0.1, 0.15, 0.7, 0.8, 0.12])
    hook.record(torch.arange(5), probs)
    hook.end_epoch(choose=True)
    threshold = otsu_threshold(probs)
    assert hook.threshold.item() == pytest.approx(threshold.item())
    assert hook.kept.tolist() == [*(probs.double() >= threshold).tolist(), False]
    assert hook.kept[[0, 2, 3, 4]].tolist() == [False, True, True, False]


def test_epochs_of_the_warm_up_are_the_memory_where_they_are_fewer() -> None:
    assert len(hook_of(warm_up=0.3, epoch=0.1, memory=10).memory) == 3
    assert len(hook_of(warm_up=0.5, epoch=0.1, memory=2).memory) == 2


def test_mixmatch_takes_kept_images_alone_and_its_ramp_begins_after_the_warm_up(tmp_path: Path) -> None:
    taken: list[tuple[int, torch.Tensor, torch.Tensor]] = []
    keys = {"num_train_iter": 10, "epoch": 1, "mtc_warm_up": 0.4, "mtc_epoch": 0.2, "unsup_warm_up": 0.5}
    algorithm = build_tiny("mtc", tmp_path, **keys)
    step = algorithm.mixmatch_step
    losses: list[tuple[float, dict[str, Any]]] = []
    seen: list[int] = []

    def mixmatch_step(x_lb: Any, y_lb: Any, kept: Any) -> Any:
        taken.append((algorithm.it, kept["x_ulb_w"], algorithm.scores.kept))
        out_dict, log_dict = step(x_lb, y_lb, kept)
        losses.append((out_dict["loss"].item(), log_dict))
        return out_dict, log_dict

    algorithm.mixmatch_step = mixmatch_step
    choose_images = algorithm.scores.images.choose

    def choose(chosen: Any) -> None:
        seen.append(len(chosen))
        choose_images(chosen)

    algorithm.scores.images.choose = choose
    algorithm.train()
    assert [it for it, _, _ in taken] == [4, 5, 6, 7, 8, 9]
    assert [len(views) for _, views, _ in taken] == [16] * 6
    # All of them at first, then a choice at the end of the warm-up and of each epoch after it.
    assert seen == [len(algorithm.scores.kept), *(int(kept.sum()) for _, _, kept in taken[::2])]
    for number, (loss, figures) in enumerate(losses):
        ramp = min(1.0, number / 5)
        expected = figures["train/sup_loss"] + algorithm.lambda_u * ramp * figures["train/unsup_loss"]
        assert loss == pytest.approx(float(expected), rel=1e-4)


def test_the_kept_batches_hold_nothing_but_kept_images(tmp_path: Path) -> None:
    algorithm = build_tiny("mtc", tmp_path, num_train_iter=10, epoch=1, augmentation="identity")
    algorithm.train()
    images = algorithm.scores.images
    pool = torch.stack([images.dataset[index]["x_ulb_w"] for index in range(len(images.dataset))]).flatten(1)
    batch = images.batch(3, torch.device("cpu"))
    kept = algorithm.scores.kept
    for view in batch["x_ulb_w"].flatten(1):
        assert bool(((pool == view).all(1) & kept).any())


def test_the_second_task_counts_images_as_a_batch_of_all_of_them_would(tmp_path: Path) -> None:
    algorithm = build_tiny("mtc", tmp_path, **OPEN, num_train_iter=10, epoch=1, mtc_warm_up=0.5)
    share = 30 / (30 + len(algorithm.dataset_dict["train_ulb"]))
    assert algorithm.labeled_share == pytest.approx(share)
    outputs: list[Any] = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    records: list[Any] = []
    algorithm.scores.record = lambda rows, probs: records.append((rows, probs))
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    out_dict, _ = algorithm.train_step(labeled["x_lb"], labeled["y_lb"], unlabeled["x_ulb_w"], unlabeled["idx_ulb"])
    logits = outputs[0][DOMAIN_LOGITS].double()
    expected = -share * logits[:8].sigmoid().log().mean() - (1 - share) * (-logits[8:]).sigmoid().log().mean()
    assert out_dict["loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    [(rows, probs)] = records
    assert torch.equal(rows, unlabeled["idx_ulb"])
    assert torch.allclose(probs.double(), logits[8:].sigmoid(), atol=1e-6)


def test_after_the_warm_up_the_second_task_leaves_running_statistics_to_mixmatch(tmp_path: Path) -> None:
    algorithm = build_tiny("mtc", tmp_path, num_train_iter=10, epoch=1, mtc_warm_up=0.3)
    algorithm.train()
    plain = build_tiny("mixmatch", tmp_path / "plain", num_train_iter=7, epoch=1)
    plain.train()
    name = "stage1.conv.bn.num_batches_tracked"
    tracked, of_mixmatch = (dict(one.model.named_buffers())[name].item() for one in (algorithm, plain))
    assert tracked == 3 + of_mixmatch


def test_rejection_is_by_the_head_and_the_threshold_of_the_saved_network(tmp_path: Path) -> None:
    algorithm = train_tiny("mtc", tmp_path, **OPEN)
    threshold = algorithm.scores.threshold
    for network in (algorithm.model, algorithm.ema_model):
        assert torch.equal(network.extra_heads.threshold, threshold)
    logits = torch.tensor([-2.0, 0.0, 2.0])
    output = {
        "logits": torch.eye(6)[:3],
        DOMAIN_LOGITS: logits,
        DOMAIN_THRESHOLD: torch.full((3,), 0.5),
    }
    assert torch.allclose(algorithm.reject_scores(output), 1 - logits.sigmoid())
    assert algorithm.open_predictions(output).tolist() == [6, 1, 2]
    assert {"test/open/auroc_reject", "test/open/balanced_acc"} <= algorithm.results_dict.keys()


def test_ns3l_waits_for_mixmatch(tmp_path: Path) -> None:
    logged: list[bool] = []
    keys = {"num_train_iter": 8, "epoch": 1, "num_log_iter": 1, "mtc_warm_up": 0.25}
    algorithm = build_tiny("mtc_ns3l", tmp_path, **keys)
    algorithm.register_hook(Observer(lambda a: logged.append("train/ns3l_loss" in a.log_dict)), "Observer")
    algorithm.train()
    assert logged == [False, False] + [True] * 6


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"mtc_warm_up": 0.0}, "mtc_warm_up: expected a number between 0 and 1"),
        (
            {"mtc_warm_up": 0.95},
            "mtc_warm_up: expected a share that leaves an iteration of 10 to MixMatch, but got 0.95",
        ),
        ({"mtc_epoch": 0.0}, "mtc_epoch: expected a number above 0 and at most 1"),
        ({"mtc_memory": 0}, "mtc_memory: expected a whole number of at least 1"),
        ({"imb_algorithm": "debiaspl"}, "imb_algorithm: expected none with mtc"),
    ],
)
def test_impossible_settings_are_one_clear_error(overrides: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        build_tiny("mtc", tmp_path, **overrides)


def test_resume_two_processes_and_all_else_that_is_expected_of_an_algorithm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    # MixMatch draws among a process's own rows.
    tags = ("train/mtc_domain_loss", "train/mtc_kept", "train/mtc_threshold")
    check_algorithm("mtc", overrides={"mixup_alpha": 0.0}, expected_tags=tags)
    check_algorithm("mtc", overrides={"mixmatch_official": True}, checks=("determinism", "resume"))


@pytest.mark.parametrize("name", ["mtc_ns3l", "mtc_dnll", "mtc_spl"])
def test_it_composes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    of_spl = {"spl_rounds": 1, "spl_inner_steps": 2, "spl_outer_steps": 2, "spl_mismatch": 0.3}
    overrides = {"num_train_iter": 6, "num_eval_iter": 3, **(of_spl if name == "mtc_spl" else {})}
    check_algorithm(name, overrides=overrides, two_processes=False)


def test_in_float16_and_among_several_classes_a_run_is_sound(tmp_path: Path) -> None:
    for dtype in ("float16", "bfloat16"):
        run = train_tiny("mtc", tmp_path / dtype, **OPEN, amp=True, amp_dtype=dtype, num_train_iter=4, num_eval_iter=2)
        assert all(bool(tensor.isfinite().all()) for tensor in parameters_of(run).values())
