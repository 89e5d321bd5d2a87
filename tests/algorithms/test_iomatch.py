"""IOMatch: the losses of a step, its targets, and how it chooses among K + 1 classes."""

import math

import pytest
import torch
from pair_step import same

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

OPEN = {
    "seen_classes": [1, 3, 5, 7, 8, 9], "num_classes": 6, "num_labels": 24, "num_unlabeled": 400, "mismatch_ratio": 0.3,
    "validation_size": 100, "open_eval_images": 100, "epoch": 1,
}  # fmt: skip
SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}
# A random network is unsure: some rows of each kind pass.
UNSURE = {"iomatch_p_cutoff": 0.12, "iomatch_q_cutoff": 0.3, "iomatch_start": 0.0}


def one_step(algorithm, it=0):
    """The algorithm after the passes of the step number ``it``, not yet updated."""
    algorithm.model.train()
    algorithm.epoch = 0
    algorithm.call_hook("before_run")
    algorithm.it = it
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    batch = algorithm.process_batch(**labeled, **unlabeled)
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**batch)
    return batch


def by_hand(algorithm, batch, hard):
    """(labeled, one-vs-all, inlier and open losses) of a step, image by image in doubles."""
    views = [batch[key] for key in ("x_lb", "x_ulb_w", "x_ulb_s")]
    with torch.no_grad():
        joint = {name: part.double() for name, part in algorithm.model(torch.cat(views)).items()}
    sizes = [len(view) for view in views]
    closed, ova, opened = (joint[name].split(sizes) for name in ("logits", "ova_logits", "open_logits"))
    k = closed[0].shape[1]
    labels = batch["y_lb"].tolist()
    labeled = [-row[label].item() for row, label in zip(closed[0].log_softmax(1), labels, strict=True)]
    pairs = ova[0].reshape(len(labels), k, 2).softmax(2).tolist()
    one_vs_all = [
        -math.log(row[label][1]) + max(-math.log(row[j][0]) for j in range(k) if j != label)
        for row, label in zip(pairs, labels, strict=True)
    ]
    settings = algorithm.iomatch_settings
    inlier, open_losses = [], []
    weak = zip(closed[1].softmax(1), ova[1].reshape(-1, k, 2).softmax(2)[:, :, 1], strict=True)
    for (p, o), strong, strong_open in zip(weak, closed[2].log_softmax(1), opened[2].log_softmax(1), strict=True):
        q = torch.cat([p * o, (p * (1 - o)).sum().reshape(1)])
        soft = (-(p * strong).sum(), -(q * strong_open).sum())
        taken = (-strong[p.argmax()], -strong_open[q.argmax()]) if hard else soft
        inlier.append(taken[0].item() if p.max() >= settings.p_cutoff and q[-1] < 0.5 else 0.0)
        open_losses.append(taken[1].item() if q.max() >= settings.q_cutoff else 0.0)
    return [sum(values) / len(values) for values in (labeled, one_vs_all, inlier, open_losses)]


@pytest.mark.parametrize(("hard", "cutoff"), [(False, 0.12), (True, 0.12), (False, 0.0)])
def test_the_loss_of_a_step_is_the_papers(hard, cutoff, tmp_path):
    weights = {"iomatch_ova_weight": 0.5, "iomatch_open_weight": 3.0, "ulb_loss_ratio": 2.0}
    keys = {**UNSURE, **weights, "iomatch_hard_label": hard, "iomatch_p_cutoff": cutoff}
    algorithm = build_tiny("iomatch", tmp_path, **keys)
    batch = one_step(algorithm)
    labeled, one_vs_all, inlier, opened = by_hand(algorithm, batch, hard)
    assert inlier > 0
    assert opened > 0
    assert 0 < algorithm.log_dict["train/util_ratio"] < 1, "without a cutoff, too: some look unseen"
    expected = labeled + 0.5 * one_vs_all + 2.0 * inlier + 3.0 * opened
    assert algorithm.out_dict["loss"].item() == pytest.approx(expected, rel=1e-4)
    for tag, value in (("unsup_loss", inlier), ("iomatch_open_loss", opened), ("iomatch_ova_loss", one_vs_all)):
        assert algorithm.log_dict[f"train/{tag}"].item() == pytest.approx(value, rel=1e-4)


def test_the_open_loss_counts_from_its_start_on(tmp_path):
    keys = {**UNSURE, "iomatch_start": 0.3, "num_train_iter": 10}
    losses = {}
    for it in (2, 3):
        algorithm = build_tiny("iomatch", tmp_path / str(it), **keys)
        batch = one_step(algorithm, it)
        losses[it] = algorithm.out_dict["loss"].item(), by_hand(algorithm, batch, hard=False)
    (before, parts), (after, _) = losses[2], losses[3]
    assert before == pytest.approx(sum(parts[:3]), rel=1e-4)
    assert after == pytest.approx(sum(parts), rel=1e-4)
    by_default = build_tiny("iomatch", tmp_path / "default", num_train_iter=8)
    counts = []
    for it in range(8):
        by_default.it = it
        counts.append(by_default.open_loss_counts())
    assert counts == [False] + [True] * 7


def test_no_gradient_goes_through_the_targets(tmp_path):
    # With labeled losses and strong views alone the weak view has no part in the gradient.
    algorithm = build_tiny("iomatch", tmp_path, **UNSURE, use_cat=False)
    outputs = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    one_step(algorithm)
    weak = outputs[1]
    found = torch.autograd.grad(
        algorithm.out_dict["loss"], [weak["logits"], weak["ova_logits"], weak["open_logits"]], allow_unused=True
    )
    assert found == (None, None, None)


def test_a_cutoff_above_every_probability_leaves_labeled_losses_alone(tmp_path):
    algorithm = build_tiny("iomatch", tmp_path, iomatch_p_cutoff=1.0, iomatch_q_cutoff=1.0, iomatch_start=0.0)
    batch = one_step(algorithm)
    labeled, one_vs_all, _, _ = by_hand(algorithm, batch, hard=False)
    assert algorithm.out_dict["loss"].item() == pytest.approx(labeled + one_vs_all, rel=1e-4)


def test_aligned_targets_are_divided_by_their_mean(tmp_path):
    algorithm = build_tiny("iomatch", tmp_path, iomatch_dist_align=True)
    generator = torch.Generator().manual_seed(0)
    weak = {name: torch.randn(30, size, generator=generator) for name, size in (("logits", 10), ("ova_logits", 20))}
    probs, open_set = algorithm.targets(weak)
    plain = weak["logits"].double().softmax(1)
    expected = plain / plain.mean(0)
    torch.testing.assert_close(probs.double(), expected / expected.sum(1, keepdim=True), atol=2e-3, rtol=2e-2)
    assert not torch.allclose(probs.double(), plain, atol=1e-2)
    torch.testing.assert_close(open_set.sum(1), torch.ones(30))
    assert "DistAlignHook" not in build_tiny("iomatch", tmp_path / "b").hooks_dict


def test_k_plus_one_classes_are_chosen_and_scored_by_its_own_probabilities(tmp_path):
    algorithm = build_tiny("iomatch", tmp_path)
    generator = torch.Generator().manual_seed(1)
    output = {"logits": 3 * torch.randn(40, 10, generator=generator)}
    output["ova_logits"] = 3 * torch.randn(40, 20, generator=generator)
    scores, classes = [], []
    for logits, ova in zip(output["logits"].double(), output["ova_logits"].double(), strict=True):
        p, o = logits.softmax(0), ova.reshape(10, 2).softmax(1)[:, 1]
        q = [*(p * o).tolist(), (p * (1 - o)).sum().item()]
        scores.append(q[-1])
        classes.append(q.index(max(q)))
    assert algorithm.reject_scores(output).tolist() == pytest.approx(scores, abs=1e-5)
    assert algorithm.open_predictions(output).tolist() == classes
    assert 10 in classes
    assert len(set(classes)) > 4


def test_open_set_figures_are_by_its_own_rule_at_every_evaluation_and_for_the_best_model(tmp_path):
    algorithm = train_tiny("iomatch", tmp_path, **OPEN, **SHORT)
    for name in ("eval/open/auroc_reject", "eval/open/balanced_acc", "eval/open/pool/auroc_reject"):
        assert 0 <= algorithm.log_dict[name] <= 1
    for name in ("test/open/auroc_reject", "test/open/balanced_acc"):
        assert 0 <= algorithm.results_dict[name] <= 1


def test_half_precision_trains(tmp_path):
    algorithm = train_tiny("iomatch", tmp_path, **{**SHORT, **UNSURE}, amp=True)
    assert math.isfinite(float(algorithm.log_dict["train/total_loss"]))


@pytest.mark.parametrize("wrapper", ["ns3l", "dnll"])
def test_a_wrapper_of_weight_0_around_it_is_not_there(wrapper, tmp_path):
    plain = train_tiny("iomatch", tmp_path / "plain", **SHORT)
    without = train_tiny(f"iomatch_{wrapper}", tmp_path / "without", **SHORT, **{f"{wrapper}_weight": 0.0})
    assert same(parameters_of(plain), parameters_of(without))


def test_spl_leaves_the_heads_unmasked(tmp_path):
    stage = {"spl_rounds": 1, "spl_inner_steps": 2, "spl_outer_steps": 2}
    algorithm = train_tiny("iomatch_ns3l_spl", tmp_path, **OPEN, **SHORT, **stage)
    assert not any("extra_heads" in layer for layer in algorithm.layers_to_mask())
    algorithm.finetune()
    assert 0 <= algorithm.results_dict["test/spl_open/balanced_acc"] <= 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"iomatch_p_cutoff": 1.5}, "iomatch_p_cutoff: expected a number from 0 to 1, but got 1.5"),
        ({"iomatch_start": -0.1}, "iomatch_start: expected a number from 0 to 1"),
        ({"iomatch_open_weight": -1.0}, "iomatch_open_weight: expected a number of at least 0"),
        ({"iomatch_proj_size": 0}, "iomatch_proj_size: expected a whole number of at least 1"),
    ],
)
def test_impossible_settings_are_one_clear_error(keys, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_tiny("iomatch", tmp_path, **keys)


@pytest.mark.parametrize("name", ["iomatch", "iomatch_ns3l", "iomatch_dnll"])
def test_resume_two_processes_and_all_else_that_is_expected_of_an_algorithm(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    overrides = {"num_train_iter": 6, "num_eval_iter": 2, **UNSURE, "iomatch_dist_align": name == "iomatch"}
    check_algorithm(name, overrides=overrides)
