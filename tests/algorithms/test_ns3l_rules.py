"""The ways of choosing negatives that look at the sample."""

from argparse import Namespace
from functools import partial

import numpy as np
import pytest
import torch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.ns3l.rules import NegativeTable, negative_table
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.functional import threshold_negatives
from usb_negsamp.host import Hook
from usb_negsamp.host.checkpoints.file import write_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.host.wrapping.among_processes import drawn_together
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

usb_negsamp.register()


@pytest.mark.parametrize("rule", ["uniform", "neighbor", "oracle"])
@pytest.mark.parametrize("name", ["vat_ns3l", "ns3l", "fixmatch_ns3l"])
def test_every_rule_trains_and_gives_the_number_of_negatives_asked_for(rule, name, tmp_path):
    algorithm = train_tiny(name, tmp_path, ns3l_rule=rule, ns3l_num_negatives=3)
    assert float(algorithm.log_dict["train/ns3l_negatives"]) == 3


def drawn(algorithm, rule, num_negatives=3, neighbor_rule="exclude", features="pixels"):
    settings = NS3LSettings(
        rule=rule, num_negatives=num_negatives, neighbor_rule=neighbor_rule, neighbor_features=features
    )
    table = negative_table(algorithm, settings)
    return table.draw(torch.arange(len(algorithm.dataset_dict["train_ulb"])), 0)


def test_the_oracle_never_names_the_true_class(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path)
    targets = algorithm.dataset_dict["train_ulb"].targets
    negatives = drawn(algorithm, "oracle")
    assert not negatives[torch.arange(len(targets)), torch.as_tensor(targets)].any()
    assert (negatives.sum(1) == 3).all()


def test_neighbors_are_mostly_right_about_real_digits(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path)
    targets = torch.as_tensor(algorithm.dataset_dict["train_ulb"].targets)
    wrong = {
        rule: drawn(algorithm, "neighbor", 1, rule)[torch.arange(len(targets)), targets].float().mean().item()
        for rule in ("exclude", "exclude_nearest", "furthest")
    }
    uniform = drawn(algorithm, "uniform", 1)[torch.arange(len(targets)), targets].float().mean().item()
    assert uniform == pytest.approx(0.1, abs=0.03)
    assert wrong["furthest"] <= wrong["exclude_nearest"] < wrong["exclude"] < uniform


def test_the_networks_features_serve_as_well(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path)
    before = {name: buffer.clone() for name, buffer in algorithm.model.named_buffers()}
    assert (drawn(algorithm, "neighbor", 2, "exclude", "network").sum(1) == 2).all()
    assert all(torch.equal(before[name], buffer) for name, buffer in algorithm.model.named_buffers())
    assert algorithm.model.training


def test_a_draw_depends_on_seed_and_iteration_alone():
    excluded = torch.zeros(50, 10, dtype=torch.bool)
    indices = torch.arange(50)
    first, again = (NegativeTable(excluded, 3, seed=1).draw(indices, 4) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, NegativeTable(excluded, 3, seed=1).draw(indices, 5))
    assert not torch.equal(first, NegativeTable(excluded, 3, seed=2).draw(indices, 4))


def test_weight_zero_is_the_plain_algorithm_under_every_rule(tmp_path):
    plain = parameters_of(train_tiny("vat", tmp_path / "plain"))
    without = parameters_of(train_tiny("vat_ns3l", tmp_path / "zero", ns3l_rule="uniform", ns3l_weight=0.0))
    assert all(torch.equal(plain[name], without[name]) for name in plain)


def test_the_oracle_refuses_images_of_unknown_class(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path, ns3l_rule="oracle")
    unlabeled = algorithm.dataset_dict["train_ulb"]
    unlabeled.targets = np.where(np.arange(len(unlabeled)) == 5, -1, unlabeled.targets)
    with pytest.raises(ConfigError, match="oracle needs the true class"):
        algorithm.train()


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("vat_ns3l", {"ns3l_rule": "neighbors"}, "ns3l_rule: expected .* but got 'neighbors'; did you mean 'neighbor'"),
        ("vat_ns3l", {"ns3l_rule": "uniform", "ns3l_num_negatives": 10}, "ns3l_num_negatives: expected 1 to 9"),
        (
            "vat_ns3l",
            {"ns3l_rule": "oracle", "ns3l_num_negatives": 0},
            "ns3l_num_negatives: expected a whole number of at least 1",
        ),
        (
            "vat_ns3l",
            {"ns3l_rule": "neighbor", "ns3l_neighbor_rule": "exclude_nearest", "ns3l_num_negatives": 7},
            "ns3l_num_negatives: expected 1 to 6",
        ),
        ("vat_ns3l", {"ns3l_neighbor_rule": "farthest"}, "did you mean 'furthest'"),
        ("mixmatch_ns3l", {"ns3l_rule": "uniform"}, "ns3l_rule: expected threshold around mixmatch"),
        ("mixmatch_ns3l", {"ns3l_passes": 2}, "ns3l_passes: expected 1 around mixmatch"),
        ("mixmatch_ns3l", {"ns3l_view": "strong"}, "ns3l_view: expected weak around mixmatch"),
    ],
)
def test_impossible_rules_are_one_clear_error(name, overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_tiny(name, tmp_path, **overrides)


def test_the_table_stands_on_the_models_device(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path)
    algorithm.model.to("meta")
    table = negative_table(algorithm, NS3LSettings(rule="oracle", num_negatives=3))
    assert table.excluded.device.type == "meta"


def test_a_draw_fetches_nothing_from_the_device():
    # A meta tensor has no values: what would fetch them raises.
    excluded, indices = (
        torch.zeros(50, 10, dtype=torch.bool, device="meta"),
        torch.zeros(4, dtype=torch.int64, device="meta"),
    )
    assert NegativeTable(excluded, 3, seed=1, fixed=True).draw(indices, 0).shape == (4, 10)


@pytest.mark.gpu
@pytest.mark.parametrize("fixed", [False, True])
def test_a_draw_on_a_gpu_waits_for_nothing(fixed):
    table = NegativeTable(torch.zeros(50, 10, dtype=torch.bool, device="cuda"), 3, seed=1, fixed=fixed)
    indices = torch.arange(50, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        negatives = table.draw(indices, 0)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert (negatives.sum(1) == (10 if fixed else 3)).all()


def test_two_processes_draw_what_one_draws():
    table = NegativeTable(torch.eye(10, dtype=torch.bool)[torch.arange(50) % 10], 3, seed=1)
    indices = torch.arange(40, 8, -4)
    alone = Namespace(distributed=False)
    whole = drawn_together(partial(table.draw, step=4), indices, alone)
    for rank in (0, 1):
        one_of_two = Namespace(distributed=True, rank=rank, world_size=2)
        share = drawn_together(partial(table.draw, step=4), indices[rank::2], one_of_two)
        assert torch.equal(share, whole[rank::2])


def test_the_hook_draws_its_share_of_all_processes_rows(tmp_path):
    algorithm = build_tiny("ns3l", tmp_path, ns3l_rule="uniform", num_train_iter=2, num_eval_iter=1)
    algorithm.train()
    hook = algorithm.hooks_dict["NS3LHook"]
    indices = torch.arange(8)
    whole = hook.table.draw(indices, algorithm.it)
    algorithm.batch["idx_ulb"] = indices[1::2]
    algorithm.distributed, algorithm.rank, algorithm.world_size = True, 1, 2
    algorithm.logits_of = lambda view: torch.zeros(4, 10)
    assert torch.equal(hook.logits_and_negatives(algorithm)[1], whole[1::2])


def test_two_networks_draw_for_themselves(tmp_path):
    algorithm = train_tiny("ns3l_dnll", tmp_path, ns3l_rule="uniform", num_train_iter=2, num_eval_iter=1)
    first, second = (network.hooks_dict["NS3LHook"].table for network in (algorithm, algorithm.peer))
    indices = torch.arange(20)
    assert not torch.equal(first.draw(indices, 0), second.draw(indices, 0))


class CutHook(Hook):
    settings_only = True

    def after_train_step(self, algorithm):
        if algorithm.it + 1 == 5:
            algorithm.save_model("cut.pth", algorithm.save_dir)
            raise KeyboardInterrupt


@pytest.mark.parametrize("features", ["pixels", "network"])
def test_a_resumed_run_keeps_the_neighbors_of_the_start(features, tmp_path):
    settings = {"ns3l_rule": "neighbor", "ns3l_neighbor_rule": "furthest", "ns3l_neighbor_features": features}
    whole = train_tiny("ns3l", tmp_path / "whole", **settings)
    first = build_tiny("ns3l", tmp_path / "cut", **settings)
    first.register_hook(CutHook(), None, "LOWEST")
    with pytest.raises(KeyboardInterrupt):
        first.train()
    second = build_tiny("ns3l", tmp_path / "cut", **settings)
    resume(second, tmp_path / "cut" / "cut.pth")
    second.train()
    tables = [run.hooks_dict["NS3LHook"].table.excluded for run in (whole, second)]
    assert torch.equal(*tables)
    ends = [parameters_of(run) for run in (whole, second)]
    assert all(torch.equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


@pytest.mark.parametrize("excluded", [torch.zeros(3, 10, dtype=torch.bool), torch.zeros(1382, 10), "abc"])
def test_a_table_of_other_images_is_refused(excluded, tmp_path):
    run = build_tiny("ns3l", tmp_path)
    run.epoch = 0
    write_checkpoint({**run.get_save_dict(), "ns3l_excluded": excluded}, tmp_path / "a.pth")
    with pytest.raises(ConfigError, match=r"ns3l_excluded: expected a table of 1382 images and 10 classes, but"):
        resume(run, tmp_path / "a.pth")


@pytest.mark.parametrize("settings", [{"ns3l_passes": 2}, {"ns3l_view": "weak_to_strong"}, {}])
def test_negatives_are_the_networks_own_and_not_its_teachers(settings, tmp_path):
    algorithm = build_tiny("meanteacher_ns3l", tmp_path, lr=0.3, ema_m=0.99, ns3l_ramp=0.0, **settings)
    hook = algorithm.hooks_dict["NS3LHook"]
    of_step, found = hook.logits_and_negatives, []

    def compared(algorithm):
        logits, negatives = of_step(algorithm)
        with torch.no_grad():
            by_student = algorithm.logits_of_extra_pass("x_ulb_w").softmax(1)
            algorithm.ema.apply_shadow()
            by_teacher = algorithm.logits_of_extra_pass("x_ulb_w").softmax(1)
            algorithm.ema.restore()
        sets = [threshold_negatives(probs, hook.settings.threshold) for probs in (by_student, by_teacher)]
        found.append([torch.equal(negatives, expected) for expected in sets])
        return logits, negatives

    hook.logits_and_negatives = compared
    algorithm.train()
    assert len(found) == 10
    assert all(student for student, _ in found)
    assert not all(teacher for _, teacher in found)
