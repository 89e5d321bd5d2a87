"""The key ``preset``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.checks import check
from usb_negsamp.run.configuration.presets import PRESETS
from usb_negsamp.run.configuration.presets.classic_cv import OF_ALGORITHM
from usb_negsamp.run.configuration.presets.ns3l import LEARNING_RATES
from usb_negsamp.run.configuration.presets.request import Request
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.configuration.resolution import Resolved, Sources, definitions_for, read_sources, resolve
from usb_negsamp.testing import TINY_RUN, train_tiny

WriteConfig = Callable[..., str]

# Keys of other modules than the presets' readers: those of a data source, and of MixMatch's own form.
BROUGHT_BY_OTHERS = {"preprocessing", "augmentation", "mixmatch_official"}


def of(preset: str, algorithm: str, dataset: str = "cifar10", **user: Any) -> Any:
    """The resolved arguments where the user gives no more than that."""
    return resolve(Sources(None, {"preset": preset, "algorithm": algorithm, "dataset": dataset, **user}, {})).args


def test_the_command_line_beats_the_file_the_file_the_preset_and_the_preset_the_defaults(
    write_config: WriteConfig,
) -> None:
    path = write_config(preset="oliver", algorithm="vat", dataset="svhn", num_labels=500, lr=1e-3)
    args = resolve(read_sources(["--c", path, "--lr", "2e-3", "--preset", "ns3l"])).args
    assert (args.preset, args.lr, args.num_labels, args.vat_eps, args.optim) == ("ns3l", 2e-3, 500, 1.0, "Adam")


def test_without_a_preset_nothing_changes(write_config: WriteConfig) -> None:
    args = resolve(read_sources(["--c", write_config()])).args
    assert args.preset is None
    assert (args.optim, args.lr_schedule, args.unsup_ramp, args.bn_update) == ("SGD", "cosine", "linear", "host")


def test_the_resolved_mapping_holds_what_the_preset_filled() -> None:
    run: Resolved = resolve(Sources(None, {"preset": "ns3l", "algorithm": "vat"}, {}))
    assert run.mapping["preset"] == "ns3l"
    assert run.mapping["vat_direction"] == "adversarial_to_clean"
    assert "lr" not in run.given


@pytest.mark.parametrize(
    ("algorithm", "dataset", "expected"),
    [
        ("supervised", "cifar10", {"lr": 3e-3, "batch_size": 100}),
        ("pimodel", "cifar10", {"lr": 3e-4, "ulb_loss_ratio": 20.0}),
        ("meanteacher", "cifar10", {"lr": 4e-4, "ulb_loss_ratio": 8.0, "ema_m": 0.95}),
        ("pseudolabel", "svhn", {"lr": 3e-4, "ulb_loss_ratio": 1.0, "p_cutoff": 0.95, "validation_size": 7325}),
        ("vat", "cifar10", {"lr": 3e-3, "ulb_loss_ratio": 0.3, "vat_eps": 6.0, "ent_loss_ratio": 0.0}),
        ("vat", "svhn", {"vat_eps": 1.0, "num_labels": 1000, "horizontal_flip": False}),
        ("ns3l", "cifar10", {"lr": 6e-4, "ns3l_threshold": 0.04, "ns3l_weight": 1.0, "ns3l_ramp": 0.25}),
        ("ns3l", "cifar100", {"lr": 6e-4, "ns3l_threshold": 0.004, "num_labels": 10000, "num_classes": 100}),
        ("pimodel_ns3l", "cifar10", {"lr": 6e-4, "ns3l_weight": 1.0, "ulb_loss_ratio": 20.0}),
        ("vat_ns3l", "cifar10", {"lr": 6e-4, "ns3l_weight": 0.3, "ulb_loss_ratio": 0.3, "ns3l_passes": 2}),
        ("vat_ns3l", "cifar100", {"lr": 3e-3, "ns3l_weight": 0.3, "ulb_loss_ratio": 0.6, "vat_eps": 6.0}),
    ],
)
def test_the_values_of_the_ns3l_paper(algorithm: str, dataset: str, expected: dict[str, Any]) -> None:
    args = of("ns3l", algorithm, dataset)
    assert {key: getattr(args, key) for key in expected} == pytest.approx(expected)
    frame = {"optim": "Adam", "weight_decay": 0.0, "num_train_iter": 200_000, "lr_schedule": "step", "uratio": 1}
    frame |= {"lr_decay_iters": [130_000], "lr_decay_factor": 0.2, "include_lb_to_ulb": False, "net": "wrn_28_2"}
    assert {key: getattr(args, key) for key in frame} == frame
    if hasattr(args, "unsup_warm_up"):
        assert (args.unsup_warm_up, args.unsup_ramp) == (0.25, "sigmoid")
    if algorithm not in ("supervised", "meanteacher"):
        assert (args.batch_size, args.ema_m, args.bn_update) == (50, 0.0, "joint")


def test_the_values_of_oliver_et_al() -> None:
    args = of("oliver", "vat", "svhn")
    assert (args.num_train_iter, args.lr_decay_iters, args.unsup_warm_up) == (500_000, [400_000], 0.4)
    assert (args.validation_size, args.include_lb_to_ulb, args.vat_entropy_on) == (7326, True, "perturbed")


@pytest.mark.parametrize(
    ("dataset", "labels", "weight", "consistency"),
    [
        ("cifar10", 250, 5.0, 75.0),
        ("cifar10", None, 10.0, 75.0),
        ("svhn", 250, 2.0, 250.0),
        ("svhn", None, 2.0, 250.0),
        ("stl10", None, 2.0, 50.0),
    ],
)
def test_the_values_of_mixmatch_with_ns3l(dataset: str, labels: int | None, weight: float, consistency: float) -> None:
    user = {} if labels is None else {"num_labels": labels}
    args = of("ns3l-mixmatch", "mixmatch_ns3l", dataset, **user)
    assert (args.ns3l_weight, args.ulb_loss_ratio, args.ns3l_threshold) == (weight, consistency, 0.05)
    assert (args.lr, args.lr_schedule, args.ema_m, args.mixup_alpha, args.T) == (2e-3, "constant", 0.999, 0.75, 0.5)
    assert (args.batch_size, args.num_train_iter, args.epoch) == (64, 300 * 1024, 300)
    assert (args.num_last_evaluations, args.num_eval_iter, args.validation_size) == (20, 1024, 0)
    # MixMatch ramps over 1,024 * 1,024 images, in batches of 64.
    assert args.unsup_warm_up * args.num_train_iter == pytest.approx(16_384)
    assert args.unsup_ramp == "linear"


@pytest.mark.parametrize("algorithm", ["supervised", "ns3l"])
def test_the_values_of_the_fashion_mnist_study(algorithm: str) -> None:
    args = of("ns3l-fmnist", algorithm, "fashion_mnist")
    # 60,000 training images: 2,000 labeled, and 50 epochs over the 58,000 others in batches of 50.
    assert (args.num_labels, args.validation_size, args.include_lb_to_ulb) == (2000, 0, False)
    assert args.num_train_iter * args.batch_size * args.uratio == 50 * (60_000 - args.num_labels)
    assert (args.epoch, args.num_eval_iter * args.epoch) == (50, args.num_train_iter)
    assert (args.optim, args.lr, args.lr_schedule, args.net) == ("Adam", 6e-4, "constant", "small_cnn")
    assert args.num_last_evaluations == 1
    # No augmentation: neither shift nor flip.
    assert (args.augmentation, args.crop_ratio, args.horizontal_flip) == (None, 1.0, False)


@pytest.mark.parametrize(
    ("dataset", "labels", "expected"),
    [
        ("cifar10", 4000, {"net": "wrn_28_2", "augmentation": "color_jitter", "validation_size": 5000}),
        ("svhn", None, {"num_labels": 1000, "augmentation": "horizontal_shift", "validation_size": 5000}),
    ],
)
def test_the_values_of_dnll_with_wide_resnet(dataset: str, labels: int | None, expected: dict[str, Any]) -> None:
    args = of("dnll-wrn", "dnll", dataset, **({} if labels is None else {"num_labels": labels}))
    assert {key: getattr(args, key) for key in expected} == expected
    assert (args.lr, args.weight_decay, args.momentum, args.lr_schedule) == (0.03, 5e-4, 0.9, "cosine_to_zero")
    assert args.batch_size * (1 + args.uratio) == 256
    assert (args.dnll_num_negatives, args.dnll_selection, args.dnll_weight) == (3, "error_perception", 2.0)
    assert args.dnll_ramp * args.epoch == pytest.approx(15)
    unlabeled = {"cifar10": 50_000, "svhn": 73_257}[dataset] - 5000 - args.num_labels
    assert args.num_train_iter == 300 * (unlabeled // 192) == args.epoch * args.num_eval_iter


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("cifar10", {"augmentation": "noise", "img_size": 32, "validation_size": 5000}),
        ("mnist", {"augmentation": "identity", "img_size": 28, "validation_size": 500}),
    ],
)
def test_the_values_of_dnll_with_the_13_layer_network(dataset: str, expected: dict[str, Any]) -> None:
    args = of("dnll-cnn13", "dnll", dataset, num_labels=1000)
    assert {key: getattr(args, key) for key in expected} == expected
    assert (args.net, args.lr, args.weight_decay, args.batch_size, args.uratio) == ("cnn13", 0.1, 1e-4, 50, 1)
    assert (args.epoch, args.dnll_ramp, args.include_lb_to_ulb) == (100, 0.15, False)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("cifar10", {"num_labels": 1000, "batch_size": 50, "lr": 0.1, "dualstudent_threshold": 0.8}),
        ("cifar100", {"num_labels": 10000, "batch_size": 32, "lr": 0.2, "dualstudent_threshold": 0.4}),
    ],
)
def test_the_values_of_dual_student(dataset: str, expected: dict[str, Any]) -> None:
    args = of("dual-student", "dualstudent_dnll", dataset)
    assert {key: getattr(args, key) for key in expected} == expected
    assert (args.dualstudent_consistency_weight, args.dualstudent_stabilization_weight) == (10.0, 100.0)
    assert (args.dualstudent_ramp * args.epoch, args.dnll_ramp * args.epoch) == pytest.approx((5, 15))
    assert (args.dnll_num_negatives, args.dnll_selection, args.bn_update) == (2, "equal", "all")
    assert args.crop_ratio == 0.875


def test_the_values_of_curriculum_labeling() -> None:
    args = of("cl", "cl", num_labels=4000)
    assert (args.batch_size, args.optim, args.lr, args.weight_decay, args.net) == (512, "SGD", 0.1, 5e-4, "wrn_28_2")
    # 750 passes over 4,000 labeled images, and 0, 8,200, ... 41,000 selected ones, in batches of 512.
    assert args.num_train_iter == pytest.approx(750 * (6 * 4000 + 3 * 41_000) / 512, rel=0.01)
    assert args.epoch * args.num_eval_iter == args.num_train_iter
    assert (args.cl_rounds, args.cl_lengths, args.cl_swa_start * 750, args.cl_swa_every * 750) == (5, "passes", 200, 5)
    assert (args.validation_size, args.ema_m, args.lr_schedule) == (5000, 0.0, "cosine_to_zero")
    assert of("cl", "cl", "svhn").num_labels == 1000
    shorter = of("cl", "cl", num_train_iter=60)
    assert (shorter.epoch, shorter.cl_swa_start) == (1, args.cl_swa_start)


def test_the_values_of_multi_task_curriculum() -> None:
    args = of("mtc", "mtc")
    epochs = args.num_train_iter / 1024
    assert (epochs, args.epoch, args.num_last_evaluations) == (1124, 1124, 20)
    assert [share * epochs for share in (args.mtc_warm_up, args.mtc_epoch, args.unsup_warm_up)] == [100, 1, 16]
    assert (args.mtc_memory, args.T, args.mixup_alpha, args.ulb_loss_ratio) == (10, 0.5, 0.75, 75.0)
    assert (args.optim, args.lr, args.lr_schedule, args.ema_m) == ("Adam", 2e-3, "constant", 0.999)
    assert (args.batch_size, args.uratio, args.mixmatch_official, args.weight_decay) == (64, 1, True, 0.0)
    assert (args.validation_size, args.validation_shares) == (5000, "equal")


def test_a_shorter_run_keeps_the_shares_of_ramp_and_drop() -> None:
    args = of("ns3l", "vat", num_train_iter=20_000)
    assert (args.lr_decay_iters, args.unsup_warm_up, args.epoch) == ([13_000], 0.25, 20)
    args = of("ns3l", "vat", num_train_iter=10)
    assert (args.lr_decay_iters, args.epoch) == ([6], 1)


def test_fewer_classes_raise_the_threshold() -> None:
    assert of("ns3l", "ns3l", num_classes=6).ns3l_threshold == pytest.approx(0.4 / 6)


def test_another_data_set_takes_the_protocol_and_leaves_its_images_to_the_user() -> None:
    args = of("ns3l", "vat_ns3l", "digits", num_classes=10, num_labels=40)
    assert (args.lr, args.optim, args.validation_size) == (6e-4, "Adam", 0)
    assert args.ns3l_threshold is None


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("dataset", ["cifar10", "svhn", "stl10", "cifar100"])
def test_every_key_of_a_preset_is_read_by_some_algorithm(preset: str, dataset: str) -> None:
    names = (
        *("vat_ns3l", "mixmatch_ns3l", "pseudolabel", "dualstudent_dnll", "temporalensembling", "uasd", "ds3l"),
        *("openmatch", "iomatch", "cl", "mtc"),
    )
    known = BROUGHT_BY_OTHERS.union(*(definitions_for(name) for name in names))
    for algorithm in (*LEARNING_RATES, "mixmatch"):
        if preset == "classic-cv" and algorithm not in OF_ALGORITHM:
            continue
        request = Request(algorithm, frozenset({"ns3l"}), dataset)
        assert PRESETS[preset](request).keys() <= known


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("algorithm", ["supervised", "vat", "ns3l", "vat_ns3l", "mixmatch_ns3l"])
def test_what_a_preset_fills_passes_the_checks(preset: str, algorithm: str) -> None:
    for dataset in ("cifar10", "svhn"):
        args = of(preset, algorithm, dataset, device="cpu")
        check(args, Process())


def test_an_unknown_preset_is_one_line_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"^unknown preset 'olivr'; did you mean 'oliver'\?$"):
        of("olivr", "vat")


def test_an_algorithm_that_the_papers_do_not_train_needs_a_learning_rate() -> None:
    with pytest.raises(ConfigError, match=r"^preset ns3l has no learning rate for fixmatch, .*; give lr$"):
        of("ns3l", "fixmatch")
    assert of("ns3l", "fixmatch", lr=1e-3).lr == 1e-3
    assert of("ns3l", "fixmatch_ns3l").lr == 6e-4


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "lr_schedule",
            "stepp",
            r"^lr_schedule: expected cosine, step, constant, cosine_to_zero or rise_and_fall, but got 'stepp'; did you "
            r"mean 'step'\?$",
        ),
        ("lr_schedule", "step", r"^lr_decay_iters: expected a value for lr_schedule step"),
        (
            "lr_decay_iters",
            [0],
            r"^lr_decay_iters: expected whole numbers above 0 between commas, e.g. 100,200, but got \[0\]$",
        ),
        (
            "lr_decay_iters",
            [],
            r"^lr_decay_iters: expected whole numbers above 0 between commas, e.g. 100,200, but got \[\]$",
        ),
        ("lr_decay_factor", 0.0, r"^lr_decay_factor: expected a number above 0 and at most 1, but got 0$"),
        ("unsup_ramp", "cubic", r"^unsup_ramp: expected linear or sigmoid, but got 'cubic'$"),
        ("unsup_warm_up", -0.1, r"^unsup_warm_up: expected a number of at least 0, but got -0.1$"),
        ("bn_update", "none yet", r"^bn_update: expected host, labeled, joint or all, but got 'none yet'$"),
        ("num_last_evaluations", -1, r"^num_last_evaluations: expected a whole number of at least 0, but got -1$"),
        (
            "vat_direction",
            "back",
            r"^vat_direction: expected clean_to_adversarial or adversarial_to_clean, but got 'back'$",
        ),
        ("vat_entropy_on", "both", r"^vat_entropy_on: expected clean or perturbed, but got 'both'$"),
        ("vat_xi", 0.0, r"^vat_xi: expected a number above 0, but got 0$"),
        ("vat_eps", -1.0, r"^vat_eps: expected a number of at least 0, but got -1$"),
        ("vat_num_iters", -1, r"^vat_num_iters: expected a whole number from 0 to 1000, but got -1$"),
        ("vat_pseudo_label_weight", -1.0, r"^vat_pseudo_label_weight: expected a number of at least 0, but got -1$"),
        ("vat_pseudo_label_cutoff", 1.5, r"^vat_pseudo_label_cutoff: expected a number from 0 to 1, but got 1.5$"),
        ("optim", "Adm", r"^unknown optimizer 'Adm'; did you mean 'Adam'\?$"),
    ],
)
def test_a_bad_value_of_an_option_is_one_line(key: str, value: Any, line: str) -> None:
    args = resolve(Sources(None, {**TINY_RUN, "algorithm": "vat", key: value}, {})).args
    with pytest.raises(ConfigError, match=line):
        check(args, Process())


@pytest.mark.parametrize("value", ["soon", [1.5], [True], "inf", {"at": 3}])
def test_iterations_that_are_no_whole_numbers_are_one_line(value: Any) -> None:
    with pytest.raises(
        ConfigError,
        match=r"^file: lr_decay_iters: expected whole numbers above 0 between commas, e\.g\. 100,200, but got",
    ):
        resolve(Sources(None, {"lr_decay_iters": value}, {}))


def test_a_list_of_iterations_may_come_from_the_command_line() -> None:
    assert resolve(read_sources(["--lr_decay_iters", "130000,1.6e5"])).args.lr_decay_iters == [130_000, 160_000]


@pytest.mark.parametrize(
    ("preset", "algorithm"),
    [("ns3l", "vat_ns3l"), ("oliver", "pimodel"), ("ns3l-mixmatch", "mixmatch_ns3l"), ("ns3l-fmnist", "ns3l")],
)
def test_a_preset_trains_ten_steps(preset: str, algorithm: str, tmp_path: Any) -> None:
    unset = {"lr", "ema_m", "uratio", "epoch"}
    tiny = {key: value for key, value in TINY_RUN.items() if key not in unset}
    values = resolve(Sources(None, {**tiny, "preset": preset, "algorithm": algorithm}, {})).mapping
    trained = train_tiny(algorithm, tmp_path, **{key: values[key] for key in values.keys() - {"algorithm", "save_dir"}})
    assert trained.it == 10
    assert type(trained.optimizer).__name__ == "Adam"
    assert trained.args.preset == preset


@pytest.mark.parametrize(
    ("dataset", "classes", "labels", "weight"), [("cifar10", 6, 300, 0.5), ("cifar100", 55, 2750, 1.0)]
)
def test_the_values_of_openmatch(dataset: str, classes: int, labels: int, weight: float) -> None:
    args = of("openmatch", "openmatch", dataset)
    assert (args.num_classes, args.num_labels, args.mismatch_protocol) == (classes, labels, "whole_pool")
    assert args.validation_size == 50 * {"cifar10": 10, "cifar100": 100}[dataset]
    assert (args.lr, args.weight_decay, args.ema_m, args.lr_schedule) == (0.03, 5e-4, 0.999, "cosine")
    assert (args.batch_size, args.uratio, args.num_train_iter, args.epoch) == (64, 2, 512 * 1024, 512)
    assert (args.openmatch_entropy_weight, args.openmatch_consistency_weight) == (0.1, weight)
    assert args.openmatch_start * args.num_train_iter == pytest.approx(10 * 1024)
    assert args.openmatch_interval * args.num_train_iter == pytest.approx(1024)
    assert (args.openmatch_p_cutoff, args.openmatch_uratio) == (0.0, None)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("cifar10", {"num_classes": 6, "seen_classes": [2, 3, 4, 5, 6, 7], "num_labels": 24, "weight_decay": 5e-4}),
        (
            "cifar100",
            {"num_classes": 50, "class_order": "superclass", "num_labels": 200, "weight_decay": 1e-3},
        ),
    ],
)
def test_the_values_of_iomatch(dataset: str, expected: dict[str, Any]) -> None:
    args = of("iomatch", "iomatch", dataset)
    assert {key: getattr(args, key) for key in expected} == expected
    assert (args.batch_size, args.uratio, args.num_train_iter, args.ema_m) == (64, 7, 262_144, 0.999)
    assert (args.iomatch_p_cutoff, args.iomatch_q_cutoff, args.iomatch_dist_align) == (0.95, 0.5, dataset == "cifar100")
    assert args.iomatch_start * args.num_train_iter == pytest.approx(1024)
    of_openmatch = of("iomatch", "openmatch", dataset)
    assert (of_openmatch.uratio, of_openmatch.openmatch_uratio, of_openmatch.weight_decay) == (2, 7, 5e-4)
    assert of_openmatch.openmatch_start * of_openmatch.num_train_iter == pytest.approx(5 * 1024)
    assert of_openmatch.num_train_iter == {"cifar10": 256, "cifar100": 512}[dataset] * 1024


@pytest.mark.parametrize("preset", ["openmatch", "iomatch"])
def test_presets_of_open_sets_pass_the_checks_and_follow_the_number_of_classes(preset: str) -> None:
    args = of(preset, preset, "cifar100", num_classes=20, device="cpu")
    check(args, Process())
    assert args.seen_classes == 20
    assert args.num_labels == 20 * {"openmatch": 50, "iomatch": 4}[preset]
    short = of(preset, preset, "cifar10", num_train_iter=2048)
    assert (short.epoch, short.num_train_iter) == (2, 2048)


@pytest.mark.parametrize("preset", ["dnll-wrn", "dnll-cnn13", "dual-student"])
@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "svhn", "mnist"])
def test_a_number_of_labels_that_is_left_out_is_the_one_that_is_counted_with(preset: str, dataset: str) -> None:
    if preset == "dual-student" and dataset in ("svhn", "mnist"):
        pytest.skip("the preset is of CIFAR")
    left_out = of(preset, "dualstudent_dnll", dataset)
    given = of(preset, "dualstudent_dnll", dataset, num_labels=left_out.num_labels)
    assert vars(left_out) == vars(given)
    assert left_out.validation_shares == "equal"
    assert left_out.dnll_ramp_shape == "truncated"
