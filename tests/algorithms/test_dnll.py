"""DNLL: two networks that teach each other what a sample is not."""

import math
from argparse import Namespace

import pytest
import torch
from pair_step import in_a_step as passes_of_a_step
from pair_step import same

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.dnll import DNLLHook
from usb_negsamp.algorithms.dnll.settings import DNLLSettings
from usb_negsamp.functional import ErrorPerception
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.wrapping.among_processes import drawn_together
from usb_negsamp.host.wrapping.wrapper import frozen_running_statistics
from usb_negsamp.testing import build_tiny, parameters_of, tiny_arguments, train_tiny

usb_negsamp.register()

SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}


def plain_name(name):
    return "supervised" if name == "dnll" else name.removesuffix("_dnll")


WITH_WEIGHTS_0 = [
    "dnll", "freematch_dnll", "vat_dnll", "mixmatch_dnll", "meanteacher_dnll", "comatch_dnll", "dash_dnll",
    "fixmatch_ns3l_dnll",
]  # fmt: skip


@pytest.mark.parametrize("name", WITH_WEIGHTS_0)
def test_with_weights_0_the_first_network_is_the_plain_run_bit_for_bit(name, tmp_path):
    plain = train_tiny(plain_name(name), tmp_path / "plain", **SHORT)
    drawn_by_plain = torch.rand(3)
    without = train_tiny(name, tmp_path / "without", dnll_weight=0.0, **SHORT)
    assert torch.equal(torch.rand(3), drawn_by_plain), "the peer draws from generators of its own"
    assert same(parameters_of(plain), parameters_of(without))
    for figure, value in plain.results_dict.items():
        assert without.results_dict[figure] == value
    assert not any(tag.startswith("train/dnll") for tag in without.log_dict)


def in_a_step(name, directory, **overrides):
    """The step with the base's losses set to 0, so that what DNLL adds stands alone."""
    algorithm = passes_of_a_step(name, directory, **overrides)
    for network in (algorithm, algorithm.peer):
        network.out_dict["loss"] = torch.zeros(())
        network.model.zero_grad()
    return algorithm


def gradients(network):
    return [p.grad for p in network.model.parameters() if p.grad is not None and p.grad.any()]


@pytest.mark.parametrize("name", ["dnll", "fixmatch_dnll"])
@pytest.mark.parametrize("overrides", [{}, {"dnll_weight": 0.0, "dnll_self_weight": 1.0}])
def test_no_gradient_reaches_the_network_that_gives_the_labels(name, overrides, tmp_path):
    algorithm = in_a_step(name, tmp_path, dnll_ramp=0.0, **overrides)
    algorithm.hooks_dict["DNLLHook"].couple(algorithm, algorithm.peer)
    algorithm.out_dict["loss"].backward(retain_graph=True)
    assert gradients(algorithm)
    assert not gradients(algorithm.peer)
    algorithm.model.zero_grad()
    algorithm.peer.out_dict["loss"].backward()
    assert gradients(algorithm.peer)
    assert not gradients(algorithm)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_added_losses_are_the_papers_formula_times_weight_and_ramp(reduction, tmp_path):
    algorithm = in_a_step(
        "fixmatch_dnll",
        tmp_path,
        dnll_num_negatives=3,
        dnll_weight=0.7,
        dnll_self_weight=0.2,
        dnll_ramp=0.5,
        dnll_reduction=reduction,
    )
    algorithm.it, peer, hook = 2, algorithm.peer, algorithm.hooks_dict["DNLLHook"]
    hook.couple(algorithm, peer)
    labels = [network.logits_of("x_ulb_w", with_grad=False).argmax(1) for network in (algorithm, peer)]
    negatives = hook.draw(labels, algorithm)
    for mask, own in zip(negatives, labels, strict=True):
        assert mask.sum(1).tolist() == [3] * len(own)
        assert not mask[torch.arange(len(own)), own].any()
    ramp = math.exp(-5 * (1 - 2 / 5) ** 2)
    for network, taught, own in ((algorithm, negatives[1], negatives[0]), (peer, negatives[0], negatives[1])):
        probs = network.logits_of("x_ulb_s", with_grad=True).detach().double().softmax(1)
        terms = -torch.log(1 - probs) / (3 if reduction == "mean" else 1)
        expected = ramp * (0.7 * (terms * taught).sum(1).mean() + 0.2 * (terms * own).sum(1).mean())
        assert network.out_dict["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def hook_with(perceptions, weight=1.0, self_weight=0.0, num_negatives=1):
    settings = DNLLSettings(num_negatives=num_negatives, weight=weight, self_weight=self_weight, ramp=0.0)
    return DNLLHook(settings, "x_ulb_w", "x_ulb_s", 0, perceptions)


def confusing(num_classes, confused_with):
    """The perception of a network that takes everything for one class."""
    perception = ErrorPerception(num_classes, 0.9, class_counts=torch.full((num_classes,), 1000))
    always = 50.0 * torch.nn.functional.one_hot(torch.full((num_classes,), confused_with), num_classes)
    perception.update(always, torch.arange(num_classes))
    return perception


ALONE = Namespace(num_classes=5, it=0, steps_after_training=0, distributed=False, rank=0, world_size=1)


def test_negatives_are_drawn_by_the_row_of_the_network_that_learns_them():
    labels = [torch.tensor([0, 1, 2]), torch.tensor([2, 1, 0])]
    perceptions = (confusing(5, 3), confusing(5, 4))
    first, second = hook_with(perceptions).draw(labels, ALONE)
    assert first.int().argmax(1).tolist() == [4, 4, 4], "the first's labels teach the second, which confuses with 4"
    assert second.int().argmax(1).tolist() == [3, 3, 3]
    alone, _ = hook_with(perceptions, weight=0.0, self_weight=1.0).draw(labels, ALONE)
    assert alone.int().argmax(1).tolist() == [3, 3, 3], "alone, each learns its own"


@pytest.mark.parametrize(
    ("shape", "expected"),
    # The released code: 75 exp(-5 (1 - e/100)^2) until epoch 15 of 100, then 2; at its end that is 2.0236.
    [("truncated", [75 * math.exp(-5 * (1 - e / 100) ** 2) * 2 / 2.0236 for e in (0, 5, 15)]),
     ("sigmoid", [2 * math.exp(-5), 2 * math.exp(-5 * (2 / 3) ** 2), 2.0])],
)  # fmt: skip
def test_the_ramp_has_the_shape_that_is_asked_for(shape, expected, tmp_path):
    weights = []
    for iteration in (0, 5, 15):
        algorithm = in_a_step("dnll", tmp_path, dnll_ramp_shape=shape, num_train_iter=100, epoch=1, num_log_iter=1)
        algorithm.it = iteration
        algorithm.hooks_dict["DNLLHook"].couple(algorithm, algorithm.peer)
        weights.append(float(algorithm.out_dict["loss"].detach() / algorithm.log_dict["train/dnll_cross_loss"]))
    assert weights == pytest.approx(expected, rel=1e-3)


def test_error_perception_reads_the_labeled_logits_of_each_network(tmp_path):
    algorithm = in_a_step("fixmatch_dnll", tmp_path, dnll_selection="error_perception", dnll_momentum=0.5)
    hook = algorithm.hooks_dict["DNLLHook"]
    hook.couple(algorithm, algorithm.peer)
    for network, perception in zip((algorithm, algorithm.peer), hook.perceptions, strict=True):
        counts = torch.as_tensor(algorithm.dataset_dict["train_lb"].targets).bincount(minlength=10)
        expected = ErrorPerception(10, 0.5, counts)
        expected.update(network.logits_of("x_lb", with_grad=False), network.batch["y_lb"])
        assert torch.equal(perception.weights(), expected.weights())
        assert perception.error_sums().sum() > 0
        assert not torch.allclose(perception.weights(), ErrorPerception(10).weights(), atol=0.01)
    assert not torch.equal(hook.perceptions[0].mass, hook.perceptions[1].mass)


def count_passes(algorithm):
    """Training passes of the first and the second network in a run."""
    counts = []
    for network in (algorithm, getattr(algorithm, "peer", algorithm)):
        count: list[bool] = []
        network.model.register_forward_hook(lambda module, inputs, output, c=count: c.append(module.training))
        counts.append(count)
    algorithm.train()
    return [sum(count) / SHORT["num_train_iter"] for count in counts]


@pytest.mark.parametrize(
    ("name", "use_cat", "passes"),
    # Mean Teacher's weak view is the teacher's: one more pass for what the network itself says of it.
    [("dnll", True, 2), ("dnll", False, 3), ("fixmatch_dnll", True, 1), ("meanteacher_dnll", True, 4)],
)
def test_passes_are_reused_where_the_base_has_them(name, use_cat, passes, tmp_path):
    algorithm = build_tiny(name, tmp_path, dnll_selection="error_perception", use_cat=use_cat, **SHORT)
    assert count_passes(algorithm) == [passes, passes]
    for network in (algorithm, algorithm.peer):
        trackers = [b for n, b in network.model.named_buffers() if n.endswith("num_batches_tracked")]
        assert trackers
        assert all(int(b) == SHORT["num_train_iter"] for b in trackers), "auxiliary passes leave batch norms alone"


def test_pseudo_labels_are_the_networks_own_and_not_its_teachers(tmp_path):
    algorithm = in_a_step("meanteacher_dnll", tmp_path)
    weak = algorithm.batch["x_ulb_w"]
    assert algorithm.logits_tape.rows(algorithm.batch["x_ulb_s"], "x_ulb_s", with_grad=False) is not None
    assert algorithm.logits_tape.rows(weak, "x_ulb_w", with_grad=False) is None, "the teacher alone has seen it"
    algorithm.logits_tape.stop()
    with frozen_running_statistics(algorithm), torch.no_grad():
        own = algorithm.model(weak)["logits"]
    assert torch.equal(algorithm.logits_of("x_ulb_w", with_grad=False), own)


def test_both_networks_see_the_same_unlabeled_views_and_their_own_labeled_ones(tmp_path):
    algorithm = in_a_step("fixmatch_dnll", tmp_path)
    own, other = algorithm.batch, algorithm.peer.batch
    for view in ("x_ulb_w", "x_ulb_s"):
        assert own[view] is other[view]
    assert torch.equal(own["y_lb"], other["y_lb"])
    assert own["x_lb"].shape == other["x_lb"].shape
    assert not torch.equal(own["x_lb"], other["x_lb"])


@pytest.mark.parametrize(
    ("views", "key"), [("weak_to_strong", "x_ulb_s"), ("weak_to_weak", "x_ulb_w_1"), ("weak", "x_ulb_w")]
)
def test_a_base_without_a_strong_view_is_given_what_is_asked_for(views, key, tmp_path):
    algorithm = in_a_step("vat_dnll", tmp_path, dnll_views=views)
    hook = algorithm.hooks_dict["DNLLHook"]
    assert (hook.label_view, hook.loss_view) == ("x_ulb_w", key)
    assert key in algorithm.batch
    hook.couple(algorithm, algorithm.peer)
    assert algorithm.out_dict["loss"].item() > 0


def test_whitened_images_without_a_strong_view_are_one_clear_error(tmp_path):
    whitened = {"preprocessing": "gcn_zca", "augmentation": "oliver"}
    with pytest.raises(ConfigError, match="dnll_views: expected weak_to_weak or weak"):
        build_tiny("dnll", tmp_path, **whitened)
    assert train_tiny("dnll", tmp_path, dnll_views="weak_to_weak", **whitened, **SHORT).it == 4


def test_comatch_takes_the_first_of_its_strong_views(tmp_path):
    assert build_tiny("comatch_dnll", tmp_path).hooks_dict["DNLLHook"].loss_view == "x_ulb_s_0"


def test_under_autocast_the_losses_are_float32(tmp_path):
    algorithm = in_a_step("fixmatch_dnll", tmp_path, amp=True, dnll_ramp=0.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        algorithm.hooks_dict["DNLLHook"].couple(algorithm, algorithm.peer)
    for network in (algorithm, algorithm.peer):
        assert network.logits_of("x_ulb_s", with_grad=True).dtype == torch.bfloat16
        assert network.out_dict["loss"].dtype == torch.float32


def test_two_classes_with_one_negative_are_legal_and_leave_no_choice():
    args = tiny_arguments("dnll", "unused")
    args.num_classes = 2
    assert DNLLSettings.from_arguments(args).num_negatives == 1
    labels = [torch.tensor([0, 1]), torch.tensor([1, 1])]
    two = Namespace(**{**vars(ALONE), "num_classes": 2})
    first, second = hook_with(None).draw(labels, two)
    assert first.tolist() == [[False, True], [True, False]]
    assert second.tolist() == [[True, False], [True, False]]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"dnll_num_negatives": 0}, "dnll_num_negatives: expected a whole number of at least 1, but got 0"),
        (
            {"dnll_num_negatives": 10},
            r"dnll_num_negatives: expected a number in 1\.\.num_classes - 1 = 1\.\.9.* 10",
        ),
        ({"dnll_weight": -1.0}, "dnll_weight: expected"),
        ({"dnll_self_weight": -1.0}, "dnll_self_weight: expected"),
        ({"dnll_ramp": 1.5}, "dnll_ramp: expected"),
        ({"dnll_momentum": 1.0}, "dnll_momentum: expected"),
        ({"dnll_selection": "equall"}, "dnll_selection: .* got 'equall'; did you mean 'equal'"),
        ({"dnll_views": "weak_to_stron"}, "dnll_views: .* got 'weak_to_stron'; did you mean"),
        ({"dnll_reduction": "max"}, "dnll_reduction: expected mean or sum, but got 'max'"),
        ({"dnll_evaluate": "best"}, "dnll_evaluate: expected first or average, but got 'best'"),
        ({"dnll_peer_seed": 0}, "dnll_peer_seed: expected another seed than the first network's, seed = 0"),
        ({"dnll_peer_seed": -1}, "dnll_peer_seed: expected a whole number from 0"),
    ],
)
def test_impossible_settings_are_one_clear_error(overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message) as error:
        build_tiny("dnll", tmp_path, **overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("selection", ["equal", "error_perception"])
def test_two_processes_draw_what_one_draws(selection):
    perceptions = None if selection == "equal" else (confusing(5, 3), confusing(5, 4))
    hook = hook_with(perceptions, num_negatives=2)
    labels = [torch.randint(5, (8,), generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    whole = hook.draw(labels, ALONE)
    for rank in (0, 1):
        one_of_two = Namespace(**{**vars(ALONE), "distributed": True, "rank": rank, "world_size": 2})
        share = hook.draw([own[rank::2] for own in labels], one_of_two)
        assert all(torch.equal(w[rank::2], s) for w, s in zip(whole, share, strict=True))
    assert torch.equal(drawn_together(lambda rows: rows + 1, labels[0], ALONE), labels[0] + 1)


def test_names_are_registered_with_the_wrappers_in_order():
    names = usb_negsamp.register()
    assert {"dnll", "fixmatch_dnll", "fixmatch_ns3l_dnll", "meanteacher_dnll"} <= set(names)
    assert ALGORITHMS["fixmatch_ns3l_dnll"].base_name == "fixmatch"
    keys = [argument.name for argument in ALGORITHMS["fixmatch_ns3l_dnll"].get_argument()]
    assert {"--ns3l_threshold", "--dnll_num_negatives", "--p_cutoff"} <= set(keys)
    with pytest.raises(ConfigError, match="expected the wrappers in the order"):
        usb_negsamp.wrap("fixmatch_dnll", "ns3l")


@pytest.mark.parametrize("share", [0.15, 15 / 300, 0.5])
def test_the_truncated_ramp_has_the_released_codes_shape_whatever_part_of_the_run_it_takes(share):
    settings = DNLLSettings(ramp=share, ramp_shape="truncated")
    assert [round(2 * settings.ramp_of(epoch / 15), 2) for epoch in (0, 5, 10, 15)] == [0.5, 0.81, 1.29, 2.0]
