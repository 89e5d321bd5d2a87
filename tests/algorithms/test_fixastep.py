"""Fix-A-Step around every algorithm: mixed labeled images, and no step against the labeled gradient."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pair_step import same
from semilearn.algorithms.fixmatch import FixMatch

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms import host_names
from usb_negsamp.algorithms.fixastep import hook as hook_module
from usb_negsamp.algorithms.fixastep import mixing
from usb_negsamp.algorithms.fixastep.agreement import agreeing_loss
from usb_negsamp.algorithms.fixastep.mixing import drawn_mixing
from usb_negsamp.algorithms.ns3l.hook import NS3LHook
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, tiny_arguments, train_tiny
from usb_negsamp.testing.tiny import build_from

usb_negsamp.register()

SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}
NOTHING = {"fixastep_mix": False, "fixastep_gradient_test": False}
TEST_ALONE = {"fixastep_mix": False, "fixastep_gradient_test": True}
MIXING_ALONE = {"fixastep_mix": True, "fixastep_gradient_test": False}
MIXES_ITSELF = ("mixmatch", "remixmatch")


@pytest.mark.parametrize("name", host_names())
def test_every_algorithm_trains_and_without_both_parts_is_the_plain_one_bit_for_bit(name, tmp_path):
    plain = parameters_of(train_tiny(name, tmp_path / "plain", **SHORT))
    without = train_tiny(f"{name}_fixastep", tmp_path / "without", **SHORT, **NOTHING)
    mended = train_tiny(f"{name}_fixastep", tmp_path / "with", **SHORT)
    assert same(plain, parameters_of(without))
    assert "FixAStepHook" not in without.hooks_dict
    assert mended.it == 4
    assert 0 <= float(mended.log_dict["train/fixastep_kept"]) <= 1
    assert math.isfinite(float(mended.log_dict["train/fixastep_labeled_loss"]))
    if name not in MIXES_ITSELF:
        assert not same(plain, parameters_of(mended))


@pytest.mark.parametrize(
    "name", ["ns3l", "dnll", "dualstudent", "uasd", "temporalensembling", "ds3l", "openmatch", "iomatch"]
)
def test_our_own_algorithms_train_in_it(name, tmp_path):
    mended = train_tiny(f"{name}_fixastep", tmp_path, **SHORT)
    assert 0 <= float(mended.log_dict["train/fixastep_kept"]) <= 1
    peer = getattr(mended, "peer", None)
    if peer is not None:
        assert "FixAStepHook" in peer.hooks_dict
        assert peer.hooks_dict["FixAStepHook"].steps == 4


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("supervised", {}),
        ("fixmatch", {"p_cutoff": 1.0}),
        ("pseudolabel", {"p_cutoff": 1.0}),
        ("vat", {"ulb_loss_ratio": 0.0, "ent_loss_ratio": 0.0}),
        ("mixmatch", {"ulb_loss_ratio": 0.0}),
    ],
)
def test_an_unlabeled_loss_without_a_gradient_is_kept_bit_for_bit(name, keys, tmp_path):
    plain = train_tiny(name, tmp_path / "plain", **SHORT, **keys)
    tested = train_tiny(f"{name}_fixastep", tmp_path / "tested", **SHORT, **keys, **TEST_ALONE)
    assert same(parameters_of(plain), parameters_of(tested))
    assert tested.log_dict["train/fixastep_kept"] == 1.0


class Following(FixMatch):
    """FixMatch with ``share`` times its labeled loss in the place of the unlabeled one, from a pass of its own."""

    share = 0.5

    def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_s):
        sup_loss = self.ce_loss(self.model(x_lb)["logits"], y_lb, reduction="mean")
        logits = self.model(x_lb)["logits"]
        unsup_loss = self.share * torch.nn.functional.cross_entropy(logits, y_lb)
        self.parts = sup_loss, unsup_loss
        out_dict = self.process_out_dict(loss=sup_loss + unsup_loss)
        return out_dict, self.process_log_dict(sup_loss=sup_loss.detach(), total_loss=out_dict["loss"].detach())


class Opposing(Following):
    """The same, against the labeled loss."""

    share = -0.5


class LabelsAlone(Following):
    """The same, without an unlabeled loss."""

    share = 0.0


def registered(monkeypatch, algorithm):
    """The name of an algorithm of the test's own, and of Fix-A-Step around it."""
    name = algorithm.__name__.lower()
    monkeypatch.setitem(ALGORITHMS._dict, name, algorithm)
    monkeypatch.setitem(ALGORITHMS._dict, f"{name}_fixastep", usb_negsamp.wrap(algorithm, "fixastep"))
    return name


def trained(name, directory, **keys):
    built = build_from(tiny_arguments(name, directory, **SHORT, **keys))
    built.train()
    return built


def test_where_the_gradients_agree_the_step_is_the_base_s_bit_for_bit(tmp_path, monkeypatch):
    name = registered(monkeypatch, Following)
    plain = trained(name, tmp_path / "plain", weight_decay=0.1)
    tested = trained(f"{name}_fixastep", tmp_path / "tested", weight_decay=0.1, **TEST_ALONE)
    assert same(parameters_of(plain), parameters_of(tested))
    assert tested.log_dict["train/fixastep_kept"] == 1.0
    assert tested.log_dict["train/total_loss"] == plain.log_dict["train/total_loss"]


def test_where_they_disagree_it_is_that_of_the_labels_alone(tmp_path, monkeypatch):
    name, without = registered(monkeypatch, Opposing), registered(monkeypatch, LabelsAlone)
    tested = trained(f"{name}_fixastep", tmp_path / "tested", **TEST_ALONE)
    labels = trained(without, tmp_path / "labels")
    for (key, value), expected in zip(parameters_of(tested).items(), parameters_of(labels).values(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7, msg=key)
    assert tested.log_dict["train/fixastep_kept"] == 0.0
    assert not same(parameters_of(tested), parameters_of(trained(name, tmp_path / "plain")))


@pytest.mark.parametrize("seed", range(4))
def test_the_inner_product_of_all_parameters_decides_and_the_gradient_is_handed_on_as_it_is(seed):
    generator = torch.Generator().manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    inputs, targets = torch.randn(5, 3, generator=generator), torch.randn(2, 5, 2, generator=generator)
    outputs = model(inputs)
    labeled, rest = (((outputs - target) ** 2).mean() for target in targets)
    algorithm = SimpleNamespace(model=model, args=SimpleNamespace(amp=False), distributed=False)
    gradients = [torch.autograd.grad(loss, list(model.parameters()), retain_graph=True) for loss in (labeled, rest)]
    product = sum((a.double() * b.double()).sum() for a, b in zip(*gradients, strict=True))
    both = torch.autograd.grad(labeled + rest, list(model.parameters()), retain_graph=True)
    loss, agrees = agreeing_loss(algorithm, labeled, labeled + rest)
    (3 * loss).backward()
    assert bool(agrees) == bool(product >= 0)
    expected = both if agrees else gradients[0]
    assert loss.item() == ((labeled + rest) if agrees else labeled).item()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, 3 * gradient)


def test_a_gradient_that_is_not_finite_goes_on_to_whoever_looks_for_it():
    model = torch.nn.Linear(2, 1)
    labeled = model(torch.ones(1, 2)).sum()
    algorithm = SimpleNamespace(model=model, args=SimpleNamespace(amp=False), distributed=False)
    loss, agrees = agreeing_loss(algorithm, labeled, labeled + math.inf * labeled)
    loss.backward()
    assert agrees
    assert model.weight.grad is not None
    assert not model.weight.grad.isfinite().all()


def test_a_scaled_loss_gives_the_gradients_the_loss_scaler_expects():
    model = torch.nn.Linear(2, 1)
    labeled = model(torch.ones(1, 2)).sum()
    scaler = SimpleNamespace(scale=lambda loss: loss * 1024.0)
    algorithm = SimpleNamespace(model=model, args=SimpleNamespace(amp=True), distributed=False, loss_scaler=scaler)
    loss, _ = agreeing_loss(algorithm, labeled, 3 * labeled)
    scaler.scale(loss).backward()
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == [[3072.0, 3072.0]]


def one_step(algorithm):
    """The algorithm after the passes of one step, its loss not yet mended."""
    algorithm.model.train()
    algorithm.epoch = 0
    algorithm.call_hook("before_run")
    algorithm.it = 0
    algorithm.call_hook("before_train_step")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**labeled, **unlabeled))
    return algorithm


def mixed_by_hand(algorithm, weight, order, temperature):
    """Losses (B,) of the labeled images, mixed row by row."""
    batch = algorithm.batch
    size = len(batch["x_lb"])
    views = [batch["x_ulb_w"][:size], batch["x_ulb_w_1"][:size]]
    with torch.no_grad():
        probs = sum(algorithm.model(view)["logits"].double().softmax(1) for view in views) / 2
    sharp = probs ** (1 / temperature)
    sharp = sharp / sharp.sum(1, keepdim=True)
    images = torch.cat([batch["x_lb"], *views])
    labels = torch.cat([torch.eye(10, dtype=torch.float64)[batch["y_lb"]], sharp, sharp])
    mixed = torch.stack([weight * images[row] + (1 - weight) * images[order[row]] for row in range(size)])
    with torch.no_grad():
        logits = algorithm.model(mixed)["logits"].double().log_softmax(1)
    return [
        -((weight * labels[row] + (1 - weight) * labels[order[row]]) * logits[row]).sum().item() for row in range(size)
    ]


@pytest.mark.parametrize(
    ("name", "temperature"), [("fixmatch", 0.5), ("vat", 0.95), ("pimodel", 0.95), ("meanteacher", 0.5)]
)
def test_the_labeled_loss_is_that_of_mixed_images_and_the_rest_stays(name, temperature, tmp_path, monkeypatch):
    algorithm = one_step(build_tiny(f"{name}_fixastep", tmp_path, **MIXING_ALONE))
    size = 3 * len(algorithm.batch["x_lb"])
    order = torch.arange(size).flip(0).numpy()
    monkeypatch.setattr(mixing, "drawn_mixing", lambda *_: (0.7, order))
    before, plain = algorithm.out_dict["loss"].item(), algorithm.log_dict["train/sup_loss"]
    losses = mixed_by_hand(algorithm, 0.7, order.tolist(), temperature)
    algorithm.call_hook("after_train_step", "FixAStepHook")
    expected = before - float(plain) + sum(losses) / len(losses)
    assert algorithm.out_dict["loss"].item() == pytest.approx(expected, rel=1e-4)


def test_no_gradient_of_the_plain_labeled_images_is_left(tmp_path):
    # Only the labeled loss of this one has a gradient; where it is replaced none of its own graph is used.
    algorithm = one_step(build_tiny("supervised_fixastep", tmp_path, **MIXING_ALONE))
    passes = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: passes.append(output["logits"]))
    algorithm.call_hook("after_train_step", "FixAStepHook")
    [mixed] = [logits for logits in passes if logits.requires_grad]
    algorithm.out_dict["loss"].backward(inputs=[mixed], retain_graph=True)
    by_logits = mixed.grad.clone()
    algorithm.model.zero_grad()
    algorithm.out_dict["loss"].backward(retain_graph=True)
    found = {name: p.grad.clone() for name, p in algorithm.model.named_parameters()}
    algorithm.model.zero_grad()
    mixed.backward(by_logits)
    assert all(torch.equal(found[name], p.grad) for name, p in algorithm.model.named_parameters())


def test_a_labeled_loss_with_weights_of_its_rows_keeps_them(tmp_path, monkeypatch):
    # UDA leaves labeled images out that are learned already: here the surer half.
    before = one_step(build_tiny("uda", tmp_path / "before"))
    labeled, unlabeled = (next(iter(before.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    with torch.no_grad():
        views = torch.cat((labeled["x_lb"], unlabeled["x_ulb_w"], unlabeled["x_ulb_s"]))
        confidence = before.model(views)["logits"][: len(labeled["x_lb"])].softmax(1).amax(1)
    middle = confidence.median().item() + 1e-7
    monkeypatch.setattr(ALGORITHMS["uda"], "TSA", lambda *_: middle)
    algorithm = one_step(build_tiny("uda_fixastep", tmp_path / "with", **MIXING_ALONE))
    mask = (confidence <= middle).tolist()
    assert 0 < sum(mask) < len(mask)
    rows = torch.arange(1.0, len(mask) + 1)
    monkeypatch.setattr(hook_module, "mixed_losses", lambda *_: rows.requires_grad_())
    total, plain = algorithm.out_dict["loss"].item(), algorithm.log_dict["train/sup_loss"]
    algorithm.call_hook("after_train_step", "FixAStepHook")
    expected = total - float(plain) + sum((i + 1) * kept for i, kept in enumerate(mask)) / len(mask)
    assert algorithm.out_dict["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_the_passes_of_mixing_leave_running_statistics_alone(tmp_path):
    counts = []
    for name in ("fixmatch", "fixmatch_fixastep"):
        algorithm = train_tiny(name, tmp_path / name, **SHORT)
        buffers = algorithm.model.named_buffers()
        counts.append({int(buffer) for key, buffer in buffers if key.endswith("num_batches_tracked")})
    assert counts[0] == counts[1] == {4}


def test_weights_are_above_one_half_and_they_and_orders_the_same_in_all_processes():
    def drawn(step, rank):
        algorithm: Any = SimpleNamespace(
            seed_of_draws=5, it=step, steps_after_training=0, rank=rank, world_size=2, distributed=True
        )
        return drawn_mixing(algorithm, 30, 0.75)

    weights = [drawn(step, 0)[0] for step in range(200)]
    assert all(0.5 <= weight <= 1 for weight in weights)
    # The mean of the larger of lambda and 1 - lambda, lambda from Beta(0.75, 0.75), by numbers.
    samples = torch.distributions.Beta(0.75, 0.75).sample((100_000,))
    expected = torch.maximum(samples, 1 - samples).mean().item()
    assert sum(weights) / 200 == pytest.approx(expected, abs=0.03)
    (first, order), (second, other) = drawn(3, 0), drawn(3, 1)
    assert first == second
    assert order.tolist() == other.tolist() != drawn(4, 0)[1].tolist()
    assert sorted(order.tolist()) == list(range(30))


@pytest.mark.parametrize("name", [*MIXES_ITSELF, "mtc"])
def test_around_what_mixes_labels_itself_a_line_says_that_it_is_the_test_alone(name, tmp_path, caplog):
    with caplog.at_level("INFO"):
        algorithm = build_tiny(f"{name}_fixastep", tmp_path)
    line = "fixastep: the algorithm inside mixes its labeled images itself; the gradient test alone is added"
    assert caplog.text.count(line) == 1
    assert not set(mixing.VIEWS) <= set(algorithm.unlabeled_views)
    one = train_tiny(f"{name}_fixastep", tmp_path / "one", **SHORT)
    other = train_tiny(f"{name}_fixastep", tmp_path / "other", **SHORT, **TEST_ALONE)
    assert same(parameters_of(one), parameters_of(other))


def test_the_warm_up_of_mtc_which_learns_no_classes_is_left_as_it_is(tmp_path):
    keys = {"num_train_iter": 4, "mtc_warm_up": 0.5, "num_eval_iter": 4, "num_log_iter": 1}
    algorithm = train_tiny("mtc_fixastep", tmp_path, **keys)
    assert algorithm.hooks_dict["FixAStepHook"].steps == 2


@pytest.mark.parametrize("name", ["cl_fixastep", "cl_ns3l_fixastep", "cl_dnll_fixastep"])
def test_an_algorithm_whose_labeled_loss_has_selected_images_in_it_is_one_line(name, tmp_path):
    with pytest.raises(ConfigError, match=f"^algorithm: expected one with a loss of its labeled .* but {name} has one"):
        build_tiny(name, tmp_path)


@pytest.mark.parametrize(("factor", "kept"), [(0.5, 1.0), (-0.5, 0.0)])
def test_losses_of_wrappers_inside_are_tested_with_the_unlabeled_ones(factor, kept, tmp_path, monkeypatch):
    def add(hook, algorithm):
        logits = algorithm.model(algorithm.batch["x_lb"])["logits"]
        loss = torch.nn.functional.cross_entropy(logits, algorithm.batch["y_lb"])
        algorithm.out_dict["loss"] = algorithm.out_dict["loss"] + factor * loss

    monkeypatch.setattr(NS3LHook, "after_train_step", add)
    tested = train_tiny("supervised_ns3l_fixastep", tmp_path, **SHORT, **TEST_ALONE)
    assert tested.log_dict["train/fixastep_kept"] == kept


def test_the_share_of_kept_steps_is_counted_and_carried_over_a_resume(tmp_path):
    algorithm = train_tiny("fixmatch_fixastep", tmp_path, **SHORT, p_cutoff=0.11)
    hook = algorithm.hooks_dict["FixAStepHook"]
    assert hook.steps == 4
    assert 0 <= float(hook.kept) <= 4
    assert algorithm.log_dict["train/fixastep_kept"] == pytest.approx(float(hook.kept) / 4)


def test_it_runs_right_before_the_update_of_the_weights(tmp_path):
    names = list(build_tiny("fixmatch_ns3l_dnll_fixastep", tmp_path).hooks_dict)
    place = names.index("FixAStepHook")
    assert names[place + 1] == "ParamUpdateHook"
    assert names.index("DNLLHook") < place
    assert names.index("NS3LHook") < place


def test_both_networks_of_a_pair_are_mended(tmp_path):
    for name in ("fixmatch_dnll_fixastep", "dualstudent_ns3l_fixastep", "dualstudent_dnll_fixastep", "dnll_fixastep"):
        algorithm = train_tiny(name, tmp_path / name, **SHORT)
        for network in (algorithm, algorithm.peer):
            assert network.hooks_dict["FixAStepHook"].steps == 4
        assert not hasattr(algorithm.peer, "peer")
    assert {"dualstudent_dnll_fixastep", "fixmatch_fixastep_spl", "ns3l_fixastep"} <= set(usb_negsamp.register())


def test_half_precision_trains(tmp_path):
    algorithm = train_tiny("fixmatch_fixastep", tmp_path, **SHORT, amp=True)
    assert math.isfinite(float(algorithm.log_dict["train/total_loss"]))


class WithoutCriterion(FixMatch):
    """Takes its labeled loss from elsewhere."""

    def train_step(self, x_lb, y_lb, x_ulb_w, x_ulb_s):
        loss = torch.nn.functional.cross_entropy(self.model(x_lb)["logits"], y_lb)
        return self.process_out_dict(loss=loss), self.process_log_dict(total_loss=loss.detach())


def test_an_algorithm_without_the_host_s_criterion_is_one_line(tmp_path, monkeypatch):
    name = registered(monkeypatch, WithoutCriterion)
    with pytest.raises(
        ConfigError, match=r"^fixastep: expected .* ce_loss\(logits, y_lb\), but withoutcriterion does not$"
    ):
        trained(f"{name}_fixastep", tmp_path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"fixastep_alpha": 0.0}, "fixastep_alpha: expected a number above 0, but got 0"),
        ({"fixastep_temperature": -1.0}, "fixastep_temperature: expected a number above 0, but got -1"),
    ],
)
def test_impossible_settings_are_one_clear_error(keys, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_tiny("fixmatch_fixastep", tmp_path, **keys)


def test_inputs_that_are_no_images_are_one_line():
    algorithm: Any = SimpleNamespace(batch={"x_lb": {"input_ids": torch.zeros(2, 3)}, "y_lb": torch.zeros(2)})
    with pytest.raises(ConfigError, match=r"^fixastep_mix: expected false for inputs that are no images"):
        mixing.mixed_losses(algorithm, 0.75, 0.5)


@pytest.mark.parametrize(
    ("base", "wrapper", "message"),
    [
        ("fixmatch_fixastep", "fixastep", "carries the wrapper 'fixastep' already"),
        ("fixmatch_fixastep", "ns3l", "expected the wrappers in the order ns3l, dnll, fixastep, spl"),
        ("fixmatch_dnll_fixastep", "dnll", "order"),
    ],
)
def test_a_wrapper_out_of_place_is_one_line(base, wrapper, message):
    with pytest.raises(ConfigError, match=message):
        usb_negsamp.wrap(base, wrapper)


@pytest.mark.parametrize("name", ["fixmatch_fixastep", "fixmatch_ns3l_fixastep", "fixmatch_dnll_fixastep"])
def test_resume_two_processes_and_all_else_that_is_expected_of_an_algorithm(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_algorithm(name, overrides={"num_train_iter": 6, "num_eval_iter": 2})
