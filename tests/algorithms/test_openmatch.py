"""OpenMatch: the losses of a step, which images are kept and when, and how unseen ones are rejected."""

import functools
import math

import pytest
import torch
from pair_step import same
from PIL import Image

import usb_negsamp
from usb_negsamp import ConfigError
from usb_negsamp.algorithms.openmatch import hook as hook_module
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.testing import build_tiny, check_algorithm, parameters_of, train_tiny

usb_negsamp.register()

OPEN = {
    "seen_classes": [1, 3, 5, 7, 8, 9], "num_classes": 6, "num_labels": 24, "num_unlabeled": 400, "mismatch_ratio": 0.3,
    "validation_size": 100, "open_eval_images": 100, "epoch": 1, "ema_m": 0.5,
}  # fmt: skip
SHORT = {"num_train_iter": 4, "num_eval_iter": 2, "num_log_iter": 1}


def one_step(algorithm, it=0):
    """The algorithm after the passes of the step number ``it``, not yet updated."""
    algorithm.model.train()
    algorithm.epoch = 0
    algorithm.call_hook("before_run")
    algorithm.it = it
    algorithm.call_hook("before_train_step")
    labeled, unlabeled = (next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb"))
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**labeled, **unlabeled))
    return algorithm


def outputs(algorithm, *views):
    """Double logits of both classifiers on each view, from one joint pass in training mode."""
    with torch.no_grad():
        joint = algorithm.model(torch.cat(views))
    sizes = [len(view) for view in views]
    pairs = (joint["logits"].double().split(sizes), joint["ova_logits"].double().split(sizes))
    return list(zip(*pairs, strict=True))


def pair_probs(ova_logits):
    """(unknown, known) (N, K, 2): softmax over neighboring columns."""
    return ova_logits.reshape(len(ova_logits), -1, 2).softmax(2)


def test_the_loss_of_the_first_part_is_the_papers(tmp_path):
    weights = {"openmatch_entropy_weight": 0.3, "openmatch_consistency_weight": 0.7}
    algorithm = one_step(build_tiny("openmatch", tmp_path, **weights))
    batch = algorithm.batch
    assert not torch.equal(batch["x_lb"], batch["x_lb_w_1"])
    assert not torch.equal(batch["x_ulb_w"], batch["x_ulb_w_1"])
    labels = batch["y_lb"].tolist()
    *labeled, first, second = outputs(algorithm, *(batch[key] for key in ("x_lb", "x_lb_w_1", "x_ulb_w", "x_ulb_w_1")))
    classes, one_vs_all = [], []
    for logits, ova in labeled:
        for row, pairs, label in zip(logits.log_softmax(1), pair_probs(ova), labels, strict=True):
            classes.append(-row[label])
            others = [-math.log(pairs[k, 0]) for k in range(10) if k != label]
            one_vs_all.append(-math.log(pairs[label, 1]) + max(others))
    u, v = pair_probs(first[1]), pair_probs(second[1])
    entropy = sum((-p * p.log()).sum(2).mean() for p in (u, v)) / 2
    consistency = ((u - v) ** 2).sum((1, 2)).mean()
    expected = sum(classes) / len(classes) + sum(one_vs_all) / len(one_vs_all) + 0.3 * entropy + 0.7 * consistency
    assert algorithm.out_dict["loss"].item() == pytest.approx(float(expected), rel=1e-4)
    assert algorithm.log_dict["train/unsup_loss"] == 0.0


def test_fixmatch_learns_from_kept_images_alone_with_its_weight(tmp_path, monkeypatch):
    scores = torch.arange(400) % 2 * 0.6
    monkeypatch.setattr(hook_module, "values_of_pool", lambda *_: scores)
    keys = {"openmatch_start": 0.0, "ulb_loss_ratio": 2.0, "openmatch_uratio": 3}
    algorithm = one_step(build_tiny("openmatch", tmp_path, **keys, **OPEN))
    selection = algorithm.openmatch_selection
    assert torch.equal(selection.kept, scores == 0)
    assert selection.images.chosen.tolist() == list(range(0, 400, 2))
    batch = selection.images.batch(0, torch.device("cpu"))
    assert len(batch["x_ulb_w"]) == 3 * len(algorithm.batch["x_lb"])
    (weak, _), (strong, _) = outputs(algorithm, batch["x_ulb_w"], batch["x_ulb_s"])
    expected = -strong.log_softmax(1)[torch.arange(len(strong)), weak.argmax(1)].mean()
    assert algorithm.log_dict["train/unsup_loss"].item() == pytest.approx(expected.item(), rel=1e-4)
    without = one_step(build_tiny("openmatch", tmp_path / "b", **{**keys, "ulb_loss_ratio": 0.0}, **OPEN))
    added = algorithm.out_dict["loss"] - without.out_dict["loss"]
    assert added.item() == pytest.approx(2 * expected.item(), rel=1e-3)


def test_a_cutoff_above_every_probability_leaves_nothing_to_fixmatch(tmp_path):
    algorithm = one_step(build_tiny("openmatch", tmp_path, openmatch_start=0.0, openmatch_p_cutoff=1.0))
    assert algorithm.log_dict["train/unsup_loss"] == 0.0


def kept_by_hand(algorithm):
    """By the averaged network, image by image under the test images' transform."""
    pool, transform = algorithm.dataset_dict["train_ulb"], algorithm.dataset_dict["eval"].transform
    images = torch.stack([transform(Image.fromarray(image)) for image in pool.data])
    algorithm.ema_model.eval()
    with torch.no_grad():
        output = algorithm.ema_model(images)
    unknown = pair_probs(output["ova_logits"])[:, :, 0]
    return unknown[torch.arange(len(images)), output["logits"].argmax(1)] < 0.5


class Watch:
    """Notes after each step when the latest choice was made, and what it was."""

    def __init__(self, algorithm):
        self.seen: list[tuple[int, int]] = []
        step = algorithm.train_step

        @functools.wraps(step)  # the host reads the keys of the batch from its signature
        def train_step(**batch):
            hook = algorithm.openmatch_selection
            self.seen.append((hook.selected_at, int(hook.kept.sum())))
            if hook.selected_at == algorithm.it:
                assert torch.equal(hook.kept, kept_by_hand(algorithm))
            return step(**batch)

        algorithm.train_step = train_step


def test_images_are_chosen_at_the_start_and_every_interval_by_the_averaged_network(tmp_path):
    keys = {"openmatch_start": 0.25, "openmatch_interval": 0.25, "num_train_iter": 12, "lr": 0.1, **OPEN}
    algorithm = build_tiny("openmatch", tmp_path, **keys)
    watch = Watch(algorithm)
    algorithm.train()
    assert [at for at, _ in watch.seen] == [-1, -1, -1, 3, 3, 3, 6, 6, 6, 9, 9, 9]
    assert 0 < watch.seen[-1][1] <= 400


def test_a_run_of_eight_steps_passes_through_both_parts(tmp_path):
    algorithm = build_tiny("openmatch", tmp_path, num_train_iter=8)
    watch = Watch(algorithm)
    algorithm.train()
    assert [at for at, _ in watch.seen] == [-1, 1, 2, 3, 4, 5, 6, 7]


def test_where_nothing_is_kept_there_is_no_fixmatch(tmp_path):
    algorithm = build_tiny("openmatch", tmp_path, openmatch_start=0.0)
    # Features of this network are mostly positive: every pair says unknown.
    rows = torch.tensor([9.0, -9.0]).repeat(10).unsqueeze(1)
    with torch.no_grad():
        for model in (algorithm.model, algorithm.ema_model):
            weight = model.extra_heads.one_vs_all.weight
            weight.copy_(rows.expand_as(weight))
    one_step(algorithm)
    assert not algorithm.openmatch_selection.kept.any()
    assert algorithm.log_dict["train/unsup_loss"] == 0.0
    assert math.isfinite(algorithm.out_dict["loss"].item())


def test_an_image_is_rejected_where_its_class_says_unknown(tmp_path):
    algorithm = build_tiny("openmatch", tmp_path)
    generator = torch.Generator().manual_seed(1)
    output = {
        "logits": torch.randn(20, 10, generator=generator),
        "ova_logits": torch.randn(20, 20, generator=generator),
    }
    expected = [
        pair_probs(output["ova_logits"])[row, int(output["logits"][row].argmax()), 0].item() for row in range(20)
    ]
    assert algorithm.reject_scores(output).tolist() == pytest.approx(expected, abs=1e-6)


def test_open_set_figures_are_by_its_own_score_at_every_evaluation_and_for_the_best_model(tmp_path):
    algorithm = train_tiny("openmatch", tmp_path, **OPEN, **SHORT)
    for name in ("eval/open/auroc_reject", "eval/open/balanced_acc", "eval/open/pool/auroc_reject"):
        assert 0 <= algorithm.log_dict[name] <= 1
    for name in ("test/open/auroc_reject", "test/open/balanced_acc"):
        assert 0 <= algorithm.results_dict[name] <= 1


def test_half_precision_trains(tmp_path):
    algorithm = train_tiny("openmatch", tmp_path, **{**SHORT, "openmatch_start": 0.0}, amp=True)
    assert math.isfinite(float(algorithm.log_dict["train/total_loss"]))


@pytest.mark.parametrize("wrapper", ["ns3l", "dnll"])
def test_a_wrapper_of_weight_0_around_it_is_not_there(wrapper, tmp_path):
    plain = train_tiny("openmatch", tmp_path / "plain", **SHORT)
    without = train_tiny(f"openmatch_{wrapper}", tmp_path / "without", **SHORT, **{f"{wrapper}_weight": 0.0})
    assert same(parameters_of(plain), parameters_of(without))
    assert plain.log_dict["train/total_loss"] == without.log_dict["train/total_loss"]


def test_each_of_two_networks_chooses_for_itself(tmp_path):
    algorithm = train_tiny("openmatch_ns3l_dnll", tmp_path, **OPEN, **SHORT)
    first, second = algorithm.openmatch_selection, algorithm.peer.openmatch_selection
    assert first.selected_at == second.selected_at == 3
    assert not torch.equal(first.kept, second.kept)
    assert first.images.seed != second.images.seed
    assert "train/ns3l_loss" in algorithm.log_dict
    assert algorithm.log_dict["train/dnll_cross_loss"] > 0


def test_the_heads_are_in_the_average_the_optimizer_and_the_second_network(tmp_path):
    algorithm = train_tiny("openmatch_dnll", tmp_path, **SHORT, lr=0.1)
    name = "extra_heads.one_vs_all.weight"
    fresh = build_tiny("openmatch_dnll", tmp_path / "b", **SHORT)
    for network, start in ((algorithm, fresh), (algorithm.peer, fresh.peer)):
        live, averaged = (model.state_dict()[name] for model in (network.model, network.ema_model))
        before = start.model.state_dict()[name]
        assert not torch.equal(live, before)
        assert not torch.equal(averaged, before)
        trained = {id(parameter) for group in network.optimizer.param_groups for parameter in group["params"]}
        assert id(dict(network.model.named_parameters())[name]) in trained


def test_spl_leaves_the_heads_unmasked(tmp_path):
    algorithm = train_tiny("openmatch_spl", tmp_path, **{**OPEN, **SHORT}, spl_rounds=1, spl_inner_steps=2,
                           spl_outer_steps=2)  # fmt: skip
    assert algorithm.layers_to_mask()
    assert not any("extra_heads" in layer for layer in algorithm.layers_to_mask())
    head = algorithm.model.state_dict()["extra_heads.one_vs_all.weight"].clone()
    algorithm.finetune()
    assert not torch.equal(algorithm.model.state_dict()["extra_heads.one_vs_all.weight"], head), "it goes on learning"
    assert 0 <= algorithm.results_dict["test/spl_open/auroc_reject"] <= 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"openmatch_start": 1.5}, "openmatch_start: expected a number from 0 to 1, but got 1.5"),
        ({"openmatch_interval": 0.0}, "openmatch_interval: expected a number above 0 and at most 1, but got 0"),
        ({"openmatch_uratio": 0}, "openmatch_uratio: expected a whole number of at least 1"),
        ({"openmatch_entropy_weight": -1.0}, "openmatch_entropy_weight: expected a number of at least 0"),
    ],
)
def test_impossible_settings_are_one_clear_error(keys, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        build_tiny("openmatch", tmp_path, **keys)


def test_without_joint_passes_each_view_takes_one_of_its_own(tmp_path):
    algorithm = build_tiny("openmatch", tmp_path, use_cat=False, openmatch_start=0.0)
    passes = []
    algorithm.model.register_forward_hook(lambda module, inputs, output: passes.append(module.training))
    one_step(algorithm)
    assert sum(passes) == 6


def test_its_keys_are_its_own(tmp_path):
    own = ("entropy_weight", "consistency_weight", "start", "interval", "p_cutoff", "uratio")
    names = [argument.name for argument in ALGORITHMS["openmatch"].get_argument()]
    assert sorted(names) == sorted(f"--openmatch_{name}" for name in own)


@pytest.mark.parametrize("name", ["openmatch", "openmatch_ns3l", "openmatch_dnll"])
def test_resume_two_processes_and_all_else_that_is_expected_of_an_algorithm(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_algorithm(name, overrides={"num_train_iter": 6, "num_eval_iter": 2, "openmatch_start": 0.3})
