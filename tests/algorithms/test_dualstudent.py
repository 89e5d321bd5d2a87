"""Dual Student: two networks of which the more stable one teaches the other; alone, and with NS3L and DNLL."""

import math

import pytest
import torch
from pair_step import in_a_step as passes_of_a_step
from pair_step import same

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.dnll import DNLLWrapper
from usb_negsamp.algorithms.dualstudent.student import OTHER_LOGITS, STUDENT_LOGITS
from usb_negsamp.functional import sigmoid_ramp, truncated_sigmoid_ramp
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}
# Random networks are unsure: nearly all samples are stable, so that both directions occur.
UNSURE = {"dualstudent_threshold": 0.11, "dualstudent_ramp": 0.0, "dnll_ramp": 0.0}


def keys_of(name, **values):
    readable = {argument.name.lstrip("-") for argument in ALGORITHMS[name].get_argument()}
    return {key: value for key, value in values.items() if key in readable}


def in_a_step(name, directory, **overrides):
    """The step of a short run in which nearly all samples are stable."""
    return passes_of_a_step(name, directory, **{**SHORT, **keys_of(name, **UNSURE), **overrides})


def hook_of(algorithm):
    return algorithm.hooks_dict.get("DualStudentHook") or algorithm.hooks_dict["DNLLHook"]


def couple(algorithm):
    """The losses that the hook adds to both networks."""
    for network in (algorithm, algorithm.peer):
        network.out_dict["loss"] = torch.zeros(())
    hook_of(algorithm).couple(algorithm, algorithm.peer)
    return [network.out_dict["loss"] for network in (algorithm, algorithm.peer)]


def logits_of(algorithm):
    """For each network its logits on the view that it learns on and on the other, as doubles."""
    return [
        [network.out_dict[key].detach().double() for key in (STUDENT_LOGITS, OTHER_LOGITS)]
        for network in (algorithm, algorithm.peer)
    ]


@pytest.mark.parametrize(
    ("shape", "expected"), [("truncated", 2 * truncated_sigmoid_ramp(0.0, 0.15)), ("sigmoid", 2 * sigmoid_ramp(0.0))]
)
def test_the_weight_of_negatives_ramps_up_in_the_shape_that_is_asked_for(shape, expected, tmp_path):
    quiet = {"dualstudent_stabilization_weight": 0.0, "dualstudent_consistency_weight": 0.0, "num_log_iter": 1}
    algorithm = in_a_step("dualstudent_dnll", tmp_path, dnll_ramp=0.15, dnll_ramp_shape=shape, **quiet)
    loss = couple(algorithm)[0]
    assert float(loss / algorithm.log_dict["train/dnll_cross_loss"]) == pytest.approx(expected, rel=1e-5)


def taught_samples(algorithm, threshold):
    """By the definition, sample by sample: for each network, whether it learns from the other."""
    probs = [[view.softmax(1) for view in views] for views in logits_of(algorithm)]
    learns: list[list[bool]] = [[], []]
    for row in range(len(probs[0][0])):
        stable, distance = [], []
        for views in probs:
            one, two = views[0][row], views[1][row]
            stable.append(one.argmax() == two.argmax() and max(one.max(), two.max()) > threshold)
            distance.append(((one - two) ** 2).mean().item())
        for i in range(2):
            learns[i].append(bool(stable[1 - i] and (not stable[i] or distance[i] >= distance[1 - i])))
    return [torch.tensor(rows) for rows in learns]


def gradients(network):
    return [p.grad for p in network.model.parameters() if p.grad is not None and p.grad.any()]


def test_the_view_that_one_network_learns_on_is_the_others_other_view(tmp_path):
    algorithm = in_a_step("dualstudent", tmp_path)
    first, second = algorithm.batch, algorithm.peer.batch
    for one, two in (("x_lb", "x_lb_1"), ("x_ulb_w", "x_ulb_w_1")):
        assert not torch.equal(first[one], first[two])
        assert torch.equal(first[one], second[two])
        assert torch.equal(first[two], second[one])
    assert torch.equal(first["y_lb"], second["y_lb"])


def test_the_loss_of_a_student_is_summed_over_the_batch_as_in_the_released_code(tmp_path):
    algorithm = in_a_step("dualstudent", tmp_path, dualstudent_consistency_weight=3.0)
    network, batch = algorithm.model, algorithm.batch
    views = [torch.cat((batch[f"x_lb{end}"], batch[f"x_ulb_w{end}"])) for end in ("", "_1")]
    with torch.no_grad():
        logits, other = (network(view)["logits"].double() for view in views)
    labeled, size = len(batch["y_lb"]), len(logits)
    total = -logits.log_softmax(1)[torch.arange(labeled), batch["y_lb"]].sum()
    total = total + 3.0 * ((logits.softmax(1) - other.softmax(1)) ** 2).sum() / 10
    assert algorithm.out_dict["loss"].item() == pytest.approx((total / size).item(), rel=1e-4)


def test_the_stabilization_loss_is_the_papers_with_weight_and_ramp(tmp_path):
    algorithm = in_a_step("dualstudent", tmp_path, dualstudent_stabilization_weight=7.0, dualstudent_ramp=0.5)
    algorithm.it = 1
    losses = couple(algorithm)
    learns = taught_samples(algorithm, UNSURE["dualstudent_threshold"])
    assert all(rows.any() and not rows.all() for rows in learns)
    probs = [views[0].softmax(1) for views in logits_of(algorithm)]
    squared = ((probs[0] - probs[1]) ** 2).sum(1) / 10
    size = len(algorithm.batch["x_lb"]) + len(squared)
    for loss, rows in zip(losses, learns, strict=True):
        expected = math.exp(-5 * (1 - 1 / 2) ** 2) * 7.0 * squared[rows].sum() / size
        assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert algorithm.log_dict["train/dualstudent_taught"].item() == pytest.approx(learns[0].float().mean().item())


@pytest.mark.parametrize("name", ["dualstudent", "dualstudent_dnll"])
def test_no_gradient_reaches_the_network_that_teaches(name, tmp_path):
    algorithm = in_a_step(name, tmp_path)
    losses = couple(algorithm)
    losses[0].backward(retain_graph=True)
    assert gradients(algorithm)
    assert not gradients(algorithm.peer)
    algorithm.model.zero_grad()
    losses[1].backward()
    assert gradients(algorithm.peer)
    assert not gradients(algorithm)


def test_without_stabilization_the_networks_do_not_meet(tmp_path):
    runs = [
        train_tiny(
            "dualstudent",
            tmp_path / str(seed),
            dualstudent_stabilization_weight=0.0,
            dualstudent_peer_seed=seed,
            **SHORT,
        )
        for seed in (5, 6)
    ]
    assert same(*(parameters_of(run) for run in runs))
    assert not same(*(parameters_of(run.peer) for run in runs))


@pytest.mark.parametrize("name", ["dualstudent", "dualstudent_ns3l"])
def test_dnll_with_weight_0_is_dual_student_bit_for_bit(name, tmp_path):
    plain = train_tiny(name, tmp_path / "plain", **SHORT, dualstudent_threshold=0.11)
    without = train_tiny(f"{name}_dnll", tmp_path / "without", **SHORT, dualstudent_threshold=0.11, dnll_weight=0.0)
    assert same(parameters_of(plain), parameters_of(without))
    assert same(parameters_of(plain.peer), parameters_of(without.peer))
    assert plain.log_dict.keys() == without.log_dict.keys()
    assert plain.results_dict == without.results_dict


def test_negatives_are_learned_exactly_where_there_is_no_target(tmp_path):
    algorithm = in_a_step(
        "dualstudent_dnll", tmp_path, dualstudent_stabilization_weight=1e-12, dnll_weight=0.5, dnll_num_negatives=2
    )
    logits = [network.out_dict[STUDENT_LOGITS] for network in (algorithm, algorithm.peer)]
    losses = couple(algorithm)
    learns = taught_samples(algorithm, UNSURE["dualstudent_threshold"])
    # The labels are those of the sender's pass without gradient, on the receiver's view.
    labels = [views[1].argmax(1) for views in logits_of(algorithm)]
    negatives = hook_of(algorithm).draw(labels, algorithm)
    for i, (loss, rows) in enumerate(zip(losses, learns, strict=True)):
        terms = -torch.log(1 - logits_of(algorithm)[i][0].softmax(1)) * negatives[1 - i] / 2
        assert loss.item() == pytest.approx(0.5 * terms.sum(1)[~rows].mean().item(), rel=1e-4)
        [gradient] = torch.autograd.grad(loss, logits[i], retain_graph=True)
        assert (gradient.abs().amax(1) > 1e-6).tolist() == (~rows).tolist()
    figures = algorithm.log_dict
    assert figures["train/dnll_share"].item() == pytest.approx((~learns[0]).float().mean().item())


def test_where_all_have_targets_the_pseudo_negative_loss_is_0(tmp_path):
    algorithm = in_a_step("dualstudent_dnll", tmp_path, dualstudent_stabilization_weight=1e-12)
    for network in (algorithm, algorithm.peer):
        sure = torch.full_like(network.out_dict[STUDENT_LOGITS], -5.0).index_fill_(1, torch.tensor([3]), 5.0)
        network.out_dict[STUDENT_LOGITS] = sure.requires_grad_()
        network.out_dict[OTHER_LOGITS] = sure.detach()
    losses = couple(algorithm)
    assert [loss.item() for loss in losses] == [0.0, 0.0]


def test_figures_of_the_transferred_negatives_are_by_the_true_labels(tmp_path):
    algorithm = in_a_step("dualstudent_dnll", tmp_path, dnll_num_negatives=4)
    couple(algorithm)
    targets = torch.as_tensor(algorithm.dataset_dict["train_ulb"].targets)
    true = targets[algorithm.batch_of_peer()["idx_ulb"]]
    labels = [views[1].argmax(1) for views in logits_of(algorithm)]
    negatives = hook_of(algorithm).draw(labels, algorithm)
    learns = taught_samples(algorithm, UNSURE["dualstudent_threshold"])
    used = [~learns[1], ~learns[0]]
    wrong = torch.cat([negatives[i][torch.arange(len(true)), true][used[i]] for i in range(2)])
    figures = algorithm.log_dict
    assert figures["train/dnll_negative_error"].item() == pytest.approx(wrong.float().mean().item())
    wrong = torch.cat([(labels[i] != true)[used[i]] for i in range(2)])
    assert figures["train/dnll_pseudo_label_error"].item() == pytest.approx(wrong.float().mean().item())


def test_without_true_labels_there_is_no_error_rate(tmp_path):
    algorithm = in_a_step("dualstudent_dnll", tmp_path)
    dataset = algorithm.dataset_dict["train_ulb"]
    dataset.targets = torch.full((len(dataset),), -1)
    couple(algorithm)
    assert "train/dnll_different_negatives" in algorithm.log_dict
    assert "train/dnll_negative_error" not in algorithm.log_dict


def test_batch_norm_learns_from_the_pass_with_a_gradient_alone(tmp_path):
    algorithm = in_a_step("dualstudent", tmp_path)
    counts = {int(buffer) for name, buffer in algorithm.model.named_buffers() if name.endswith("num_batches_tracked")}
    assert counts == {1}


def test_wrappers_go_around_each_student_and_dnll_between_them(tmp_path):
    algorithm = build_tiny("dualstudent_ns3l_dnll", tmp_path, **SHORT)
    assert "NS3LHook" in algorithm.hooks_dict
    assert "NS3LHook" in algorithm.peer.hooks_dict
    assert not hasattr(algorithm.peer, "peer")
    assert isinstance(algorithm, DNLLWrapper)
    assert "DualStudentHook" not in algorithm.hooks_dict, "the peer takes one step, not two"
    names = {"dualstudent", "dualstudent_ns3l", "dualstudent_dnll", "dualstudent_spl", "dualstudent_ns3l_dnll_spl"}
    assert names <= set(usb_negsamp.register())


@pytest.mark.parametrize(
    ("base", "wrapper", "message"),
    [
        ("dualstudent_dnll", "dnll", "carries the wrapper 'dnll' already"),
        ("dualstudent_ns3l", "ns3l", "carries the wrapper 'ns3l' already"),
        ("dualstudent_dnll", "ns3l", "expected the wrappers in the order"),
    ],
)
def test_a_wrapper_out_of_place_is_one_line(base, wrapper, message):
    with pytest.raises(ConfigError, match=message):
        usb_negsamp.wrap(base, wrapper)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        (
            "dualstudent",
            {"dualstudent_threshold": 1.5},
            "_threshold: expected a number from 0 to 1, but got 1.5",
        ),
        ("dualstudent", {"dualstudent_ramp": 2.0}, "dualstudent_ramp: expected a number from 0 to 1"),
        (
            "dualstudent",
            {"dualstudent_stabilization_weight": -1.0},
            "weight: expected a number of at least 0",
        ),
        (
            "dualstudent",
            {"dualstudent_consistency_weight": -1.0},
            "weight: expected a number of at least 0",
        ),
        ("dualstudent", {"dualstudent_evaluate": "avrage"}, "dualstudent_evaluate: .* 'avrage'; did you mean"),
        ("dualstudent", {"dualstudent_peer_seed": 0}, "dualstudent_peer_seed: expected another seed"),
        ("dualstudent_dnll", {"dnll_num_negatives": 10}, r"dnll_num_negatives: expected a number in 1\.\."),
        ("dualstudent_dnll", {"dualstudent_threshold": -0.5}, "dualstudent_threshold: expected a number from 0 to 1"),
    ],
)
def test_impossible_settings_are_one_clear_error(name, overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_tiny(name, tmp_path, **overrides)


def test_resume_two_processes_and_all_else_that_is_expected_of_an_algorithm(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = {"num_train_iter": 4, "num_eval_iter": 2, "dnll_selection": "error_perception", **UNSURE}
    check_algorithm("dualstudent_dnll", overrides=overrides)


def test_mean_teacher_with_dnll_learns_negatives_of_its_own_or_of_the_other(tmp_path):
    for weights in ({"dnll_weight": 1.0}, {"dnll_weight": 0.0, "dnll_self_weight": 1.0}):
        algorithm = train_tiny("meanteacher_dnll", tmp_path / str(len(weights)), **SHORT, **weights)
        tag = "train/dnll_cross_loss" if len(weights) == 1 else "train/dnll_self_loss"
        assert algorithm.log_dict[tag] > 0
        assert "train/dnll_negative_error" in algorithm.log_dict
