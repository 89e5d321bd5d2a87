"""NS3L around every algorithm of the host."""

import math

import pytest
import torch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms import host_names
from usb_negsamp.functional import ns3l_loss
from usb_negsamp.testing import build_tiny, parameters_of, tiny_arguments, train_tiny

usb_negsamp.register()

REUSES_A_PASS = [
    "adamatch", "comatch", "crmatch", "dash", "fixmatch", "flexmatch", "freematch", "pimodel", "pseudolabel",
    "simmatch", "softmatch", "uda", "vat", "mixmatch",
]  # fmt: skip


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", host_names())
def test_every_algorithm_trains_and_weight_zero_is_the_plain_one_bit_for_bit(name, tmp_path):
    plain = parameters_of(train_tiny(name, tmp_path / "plain"))
    without = train_tiny(f"{name}_ns3l", tmp_path / "without", ns3l_weight=0.0)
    with_loss = train_tiny(f"{name}_ns3l", tmp_path / "with")
    assert same(plain, parameters_of(without))
    assert not same(plain, parameters_of(with_loss))
    assert with_loss.it == 10
    for tag in ("ns3l_loss", "ns3l_negatives", "ns3l_mass", "ns3l_all_negative"):
        assert math.isfinite(float(with_loss.log_dict[f"train/{tag}"]))
    assert "train/ns3l_loss" not in without.log_dict


@pytest.mark.parametrize("name", REUSES_A_PASS)
def test_a_threshold_below_every_probability_changes_no_bit(name, tmp_path):
    plain = parameters_of(train_tiny(name, tmp_path / "plain"))
    inert = train_tiny(f"{name}_ns3l", tmp_path / "inert", ns3l_threshold=1e-30)
    if name == "mixmatch":
        # Its negatives are read from sharpened, mixed labels, which are often exactly zero.
        assert float(inert.log_dict["train/ns3l_negatives"]) < 9
    else:
        assert same(plain, parameters_of(inert))
        assert float(inert.log_dict["train/ns3l_loss"]) == 0.0


def count_passes(algorithm):
    count = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: count.append(module.training))
    algorithm.train()
    return sum(count)


@pytest.mark.parametrize("name", [name for name in REUSES_A_PASS if name != "dash"])
def test_no_forward_pass_is_added_where_the_host_carried_the_view(name, tmp_path):
    assert count_passes(build_tiny(f"{name}_ns3l", tmp_path / "a")) == count_passes(build_tiny(name, tmp_path / "b"))


@pytest.mark.parametrize("name", ["meanteacher", "remixmatch", "supervised"])
def test_one_pass_is_added_where_no_pass_with_a_gradient_carried_it(name, tmp_path):
    assert (
        count_passes(build_tiny(f"{name}_ns3l", tmp_path / "a")) == count_passes(build_tiny(name, tmp_path / "b")) + 10
    )


def test_a_view_that_fixmatch_runs_without_gradient_takes_one_more_pass(tmp_path):
    with_loss = build_tiny("fixmatch_ns3l", tmp_path / "a", use_cat=False)
    assert count_passes(with_loss) == count_passes(build_tiny("fixmatch", tmp_path / "b", use_cat=False)) + 10


def test_extra_passes_leave_the_running_statistics_alone(tmp_path):
    algorithm = build_tiny("meanteacher_ns3l", tmp_path)
    algorithm.call_hook("before_run")
    batch = {key: algorithm.dataset_dict["train_ulb"][0][key].unsqueeze(0).repeat(4, 1, 1, 1) for key in ("x_ulb_w",)}
    algorithm.batch = batch
    before = {name: buffer.clone() for name, buffer in algorithm.model.named_buffers()}
    algorithm.logits_of_extra_pass("x_ulb_w")
    assert all(torch.equal(before[name], buffer) for name, buffer in algorithm.model.named_buffers())


def one_step(algorithm):
    """The batch and logits of one step of ``algorithm``, and the loss that its hook added."""
    algorithm.model.train()
    algorithm.epoch = 0
    algorithm.call_hook("before_run")
    algorithm.call_hook("before_train_step")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**labeled, **unlabeled))
    before = algorithm.out_dict["loss"].detach().clone()
    logits, _ = algorithm.hooks_dict["NS3LHook"].logits_and_negatives(algorithm)
    algorithm.call_hook("after_train_step", "NS3LHook")
    return logits.detach(), algorithm.out_dict["loss"].detach() - before


def test_the_added_loss_is_the_papers_formula_times_weight_and_ramp(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path, ns3l_weight=0.3, ns3l_threshold=0.09, ns3l_ramp=0.5)
    algorithm.it = 2
    logits, added = one_step(algorithm)
    probs = logits.double().softmax(1)
    mass = torch.where(probs < 0.09, probs, 0.0).sum(1)
    ramp = math.exp(-5 * (1 - 2 / 5) ** 2)
    assert added.item() == pytest.approx(0.3 * ramp * -torch.log(1 - mass).mean().item(), rel=1e-4)
    assert mass.sum() > 0


def test_views_are_chosen_as_asked(tmp_path):
    weak = build_tiny("fixmatch_ns3l", tmp_path / "w", ns3l_ramp=0.0)
    strong = build_tiny("fixmatch_ns3l", tmp_path / "s", ns3l_ramp=0.0, ns3l_view="strong")
    both = build_tiny("fixmatch_ns3l", tmp_path / "b", ns3l_ramp=0.0, ns3l_view="weak_to_strong")
    weak_logits, _ = one_step(weak)
    strong_logits, _ = one_step(strong)
    both_logits, added = one_step(both)
    assert not torch.equal(weak_logits, strong_logits)
    assert torch.equal(strong_logits, both_logits)
    expected = ns3l_loss(strong_logits, weak_logits.softmax(1) < 0.04)
    assert added.item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_second_pass_sees_another_weak_view(tmp_path):
    algorithm = build_tiny("vat_ns3l", tmp_path, ns3l_passes=2)
    one_step(algorithm)
    assert not torch.equal(algorithm.batch["x_ulb_w"], algorithm.batch["x_ulb_w_1"])
    assert count_passes(build_tiny("vat_ns3l", tmp_path / "two", ns3l_passes=2)) == 10 + count_passes(
        build_tiny("vat_ns3l", tmp_path / "one")
    )


def test_mixmatch_reads_the_mixed_labels_of_labeled_and_unlabeled_rows(tmp_path):
    algorithm = build_tiny("mixmatch_ns3l", tmp_path, ns3l_threshold=0.05)
    hook, kept = algorithm.hooks_dict["NS3LHook"], []
    read = hook.logits_and_negatives

    def reading(algorithm):
        kept.append(read(algorithm))
        return kept[-1]

    hook.logits_and_negatives = reading
    algorithm.train()
    logits, negatives = kept[0]
    assert logits.shape == negatives.shape == (8 + 2 * 16, 10)
    assert logits.requires_grad
    # A mixed label names at most two classes or so: most of the others are negatives.
    assert 3 < negatives.sum(1).float().mean() < 10


def test_under_autocast_the_loss_is_float32(tmp_path):
    algorithm = build_tiny("fixmatch_ns3l", tmp_path, amp=True)
    logits, added = one_step(algorithm)
    assert logits.dtype == torch.bfloat16
    assert added.dtype == torch.float32


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"ns3l_threshold": 0.1},
            r"ns3l_threshold: expected a number above 0 and below 1/num_classes = 0\.1, but got 0\.1",
        ),
        ({"ns3l_threshold": 0.0}, "ns3l_threshold: expected"),
        ({"ns3l_weight": -1.0}, "ns3l_weight: expected"),
        ({"ns3l_ramp": 1.5}, "ns3l_ramp: expected"),
        (
            {"ns3l_view": "week"},
            "ns3l_view: expected weak, strong or weak_to_strong, but got 'week'; did you mean 'weak'",
        ),
        ({"ns3l_passes": 3}, "ns3l_passes: expected 1 or 2"),
    ],
)
def test_impossible_settings_are_one_clear_error(overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_tiny("vat_ns3l", tmp_path, **overrides)


def test_the_threshold_follows_the_number_of_classes(tmp_path):
    assert build_tiny("vat_ns3l", tmp_path).hooks_dict["NS3LHook"].settings.threshold == pytest.approx(0.04)
    assert tiny_arguments("vat_ns3l", tmp_path).ns3l_threshold is None


GOLDEN_LOSSES = [2.945, 2.567, 2.332, 2.934, 2.425, 2.41, 2.486, 2.267, 2.478, 2.363]


def test_the_golden_loss_curve_of_a_tiny_run(tmp_path):
    """Losses of ten steps; rounding grows to a hundredth by then: a change of method or of data order shows here."""
    from usb_negsamp.host import Hook

    losses = []

    class Keep(Hook):
        def after_train_step(self, algorithm):
            losses.append(algorithm.out_dict["loss"].item())

    algorithm = build_tiny("vat_ns3l", tmp_path, ns3l_ramp=0.0)
    algorithm.register_hook(Keep(), None, "LOWEST")
    algorithm.train()
    assert losses == pytest.approx(GOLDEN_LOSSES, abs=2e-2)
