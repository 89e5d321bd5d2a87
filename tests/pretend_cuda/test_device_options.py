"""What can be chosen in a run gives a GPU the CPU's numbers, and every kind of network trains there."""

from __future__ import annotations

from typing import Any

import pytest
from device_runs import CPU, GPU, OPEN, assert_same, assert_sound, train

OFFICIAL = {"mixmatch_official": True, "ns3l_spare_mixed": True}
BY_FEATURES = {"ns3l_rule": "neighbor", "ns3l_neighbor_features": "network", "num_workers": 1}


@pytest.mark.usefixtures("draws_on_the_host")
@pytest.mark.parametrize(
    ("algorithm", "keys"),
    [
        ("fixmatch_ns3l", {"ns3l_rule": "uniform", "ns3l_num_negatives": 3}),
        ("fixmatch_ns3l", {"ns3l_rule": "neighbor", "ns3l_neighbor_rule": "furthest"}),
        pytest.param("fixmatch_ns3l", BY_FEATURES, marks=pytest.mark.gpu),
        ("fixmatch_ns3l", {"ns3l_view": "weak_to_strong", "use_cat": False}),
        ("fixmatch_ns3l", {"ns3l_gate": "neighbors"}),
        pytest.param("fixmatch_ns3l", {"ns3l_gate": "density_ratio"}, marks=pytest.mark.gpu),
        ("pseudolabel_ns3l", {"ns3l_passes": 2}),
        pytest.param("mixmatch_ns3l", OFFICIAL, marks=pytest.mark.gpu),
        ("vat", {"vat_direction": "adversarial_to_clean", "vat_entropy_on": "perturbed", "ent_loss_ratio": 0.1}),
        ("vat", {"vat_num_iters": 2, "vat_pseudo_label_weight": 1.0, "vat_pseudo_label_cutoff": 0.1}),
        ("dnll", {"dnll_selection": "error_perception", "dnll_num_negatives": 3, "dnll_self_weight": 1.0}),
        ("dnll", {"dnll_reduction": "sum", "dnll_views": "weak", "dnll_evaluate": "average", "bn_batches": 2}),
        ("dualstudent_ns3l", {"dualstudent_evaluate": "average"}),
        ("pseudolabel_spl", {"spl_mask": "soft", "spl_outer": "eq6"}),
        ("pseudolabel_spl", {"spl_inner_lr": "select"}),
        ("pseudolabel_spl", {"spl_control": "alternate"}),
        ("pseudolabel_spl", {"spl_ablation": "no_bilevel"}),
        ("fixmatch", {"bn_update": "labeled", "lr_schedule": "step", "lr_decay_iters": "[3]"}),
        ("fixmatch", {"optim": "Adam", "clip_grad": 1.0, "num_last_evaluations": 2}),
        ("vat", {"preprocessing": "gcn_zca", "augmentation": "oliver"}),
        ("fixmatch", {"unsup_ramp": "sigmoid", "lr_schedule": "cosine_to_zero", "use_cat": False}),
        ("freematch_ns3l", {**OPEN, "mismatch_protocol": "class_swap", "num_unlabeled": None}),
        ("supervised", {"use_tensorboard": True}),
        ("fixmatch_dnll", {"preset": "dnll-wrn", "net": "small_cnn", "batch_size": 8, "uratio": 2}),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(map(str, value)),
)
def test_every_choice_gives_the_cpu_s_numbers(algorithm: str, keys: dict[str, Any], rounding: float) -> None:
    there = train(algorithm, "gpu", **keys, **GPU)
    assert_sound(there)
    assert_same(train(algorithm, "cpu", **keys, **CPU), there, rounding)


@pytest.mark.parametrize(
    ("net", "img_size"),
    [("cnn13", 32), ("cnn3", 28), ("wrn_28_2", 32), ("vit_tiny_patch2_32", 32), ("timm:resnet10t.c3_in1k", 32)],
)
def test_every_kind_of_network_trains(net: str, img_size: int) -> None:
    # In float32 alone: wide layers in float16 take a CPU minutes.
    keys = {"net": net, "img_size": img_size, "num_train_iter": 2, "num_eval_iter": 2, "batch_size": 4, "uratio": 1}
    assert_sound(train("vat_ns3l", "net", **keys, **GPU))


@pytest.mark.parametrize(
    ("algorithm", "imbalanced"),
    [
        ("fixmatch", "abc"),
        ("fixmatch", "adsh"),
        ("fixmatch", "crest"),
        ("fixmatch", "darp"),
        ("fixmatch", "daso"),
        ("fixmatch", "debiaspl"),
        ("fixmatch_ns3l", "saw"),
        ("fixmatch", "tras"),
    ],
)
def test_the_host_s_algorithms_for_imbalanced_data_give_the_cpu_s_numbers(
    algorithm: str, imbalanced: str, rounding: float
) -> None:
    keys = {"imb_algorithm": imbalanced, "lb_imb_ratio": 1, "ulb_imb_ratio": 1}
    there = train(algorithm, "gpu", **keys, **GPU)
    assert_sound(there)
    assert_same(train(algorithm, "cpu", **keys, **CPU), there, rounding)


def test_cossl_whose_classifier_starts_on_the_device_trains() -> None:
    assert_sound(train("fixmatch", "gpu", imb_algorithm="cossl", cossl_tfe_warm_bs=8, **GPU))
