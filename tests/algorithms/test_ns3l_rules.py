"""The ways of choosing negatives that look at the sample."""

import numpy as np
import pytest
import torch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.ns3l.rules import NegativeTable, negative_table
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

usb_negsamp.register()


@pytest.mark.parametrize("rule", ["uniform", "neighbour", "oracle"])
@pytest.mark.parametrize("name", ["vat_ns3l", "ns3l", "fixmatch_ns3l"])
def test_every_rule_trains_and_gives_the_number_of_negatives_asked_for(rule, name, tmp_path):
    algorithm = train_tiny(name, tmp_path, ns3l_rule=rule, ns3l_num_negatives=3)
    assert float(algorithm.log_dict["train/ns3l_negatives"]) == 3


def drawn(algorithm, rule, num_negatives=3, neighbour_rule="exclude", features="pixels"):
    table = negative_table(algorithm, rule, num_negatives, neighbour_rule, features)
    return table.draw(torch.arange(len(algorithm.dataset_dict["train_ulb"])), 0)


def test_the_oracle_never_names_the_true_class(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path)
    targets = algorithm.dataset_dict["train_ulb"].targets
    negatives = drawn(algorithm, "oracle")
    assert not negatives[torch.arange(len(targets)), torch.as_tensor(targets)].any()
    assert (negatives.sum(1) == 3).all()


def test_neighbours_are_mostly_right_about_real_digits(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path)
    targets = torch.as_tensor(algorithm.dataset_dict["train_ulb"].targets)
    wrong = {
        rule: drawn(algorithm, "neighbour", 1, rule)[torch.arange(len(targets)), targets].float().mean().item()
        for rule in ("exclude", "exclude_nearest", "furthest")
    }
    uniform = drawn(algorithm, "uniform", 1)[torch.arange(len(targets)), targets].float().mean().item()
    assert uniform == pytest.approx(0.1, abs=0.03)
    assert wrong["furthest"] <= wrong["exclude_nearest"] < wrong["exclude"] < uniform


def test_the_networks_features_serve_as_well(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path)
    before = {name: buffer.clone() for name, buffer in algorithm.model.named_buffers()}
    assert (drawn(algorithm, "neighbour", 2, "exclude", "network").sum(1) == 2).all()
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
        ("vat_ns3l", {"ns3l_rule": "neighbor"}, "unknown ns3l_rule 'neighbor'; did you mean 'neighbour'"),
        ("vat_ns3l", {"ns3l_rule": "uniform", "ns3l_num_negatives": 10}, "ns3l_num_negatives: expected 1 to 9"),
        ("vat_ns3l", {"ns3l_rule": "oracle", "ns3l_num_negatives": 0}, "ns3l_num_negatives: expected 1 to 9"),
        (
            "vat_ns3l",
            {"ns3l_rule": "neighbour", "ns3l_neighbour_rule": "exclude_nearest", "ns3l_num_negatives": 7},
            "ns3l_num_negatives: expected 1 to 6",
        ),
        ("vat_ns3l", {"ns3l_neighbour_rule": "farthest"}, "did you mean 'furthest'"),
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
    table = negative_table(algorithm, "oracle", 3, "exclude", "pixels")
    assert table.excluded.device.type == "meta"


def test_a_draw_fetches_nothing_from_the_device():
    # A meta tensor has no values: what would fetch them raises.
    excluded, indices = torch.zeros(50, 10, dtype=torch.bool, device="meta"), torch.zeros(4, dtype=int, device="meta")
    assert NegativeTable(excluded, 3, seed=1, fixed=True).draw(indices, 0).shape == (4, 10)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
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
