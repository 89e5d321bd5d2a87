"""SPL's stage after the training of an algorithm: what it moves, what it leaves, what it writes."""

import os

import pytest
import torch
from sklearn.metrics import roc_auc_score
from spl_runs import SHORT, Watch, equal, logits_of, run, trained_run

from usb_negsamp.algorithms.spl.masked import Mask, put_on
from usb_negsamp.functional import safe_ratio
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.datasets.plain_images import plain_images
from usb_negsamp.testing import parameters_of, train_tiny


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return trained_run(tmp_path_factory.mktemp("trained"))


@pytest.mark.parametrize("optim", ["SGD", "AdamW"])
@pytest.mark.parametrize("outer", ["base", "eq6"])
def test_inner_steps_move_scores_alone_and_outer_steps_safe_weights_alone(tmp_path, trained, optim, outer):
    watch = Watch()
    run(tmp_path, trained, hooks=[watch], optim=optim, weight_decay=0.1, spl_outer=outer, spl_inner_lr=100.0)
    counts = {path: int(mask.sum()) for path, mask in watch.steps[0]["masks"].items()}
    assert 0 < sum(counts.values()) < sum(mask.numel() for mask in watch.steps[0]["masks"].values())
    for before, after in watch.pairs("inner"):
        assert equal(before["parameters"], after["parameters"])
        # Before the first step of a round lies the end of another, which re-estimates the statistics.
        assert before["kind"] != "inner" or equal(before["buffers"], after["buffers"])
        assert not equal(before["scores"], after["scores"])
        assert {path: int(mask.sum()) for path, mask in after["masks"].items()} == counts
    assert not equal(watch.steps[0]["masks"], watch.steps[3]["masks"])
    for before, after in watch.pairs("outer"):
        assert equal(before["masks"], after["masks"])
        assert equal(before["scores"], after["scores"])
        moved = 0
        for path, mask in after["masks"].items():
            name = f"{path}.parametrizations.weight.original"
            then, now = before["parameters"][name], after["parameters"][name]
            assert torch.equal(then[mask == 0], now[mask == 0])
            moved += int((then != now).sum())
        assert moved > 0


def test_the_paper_s_ratio_and_the_one_that_a_run_keeps(tmp_path, trained):
    assert safe_ratio(0.3, 5_000 / 20_000) == pytest.approx(0.775)
    algorithm = run(tmp_path, trained, spl_rounds=1, spl_mismatch=0.3)
    data = algorithm.dataset_dict
    expected = 1 - 0.3 * (1 - len(data["train_lb"]) / len(data["train_ulb"]))
    assert algorithm.results_dict["eval/spl_kept_ratio"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("mask", ["hard", "soft"])
def test_a_mismatch_of_zero_leaves_the_trained_predictions_bit_for_bit(tmp_path, trained, mask):
    watch = Watch()
    algorithm = run(tmp_path, trained, hooks=[watch], spl_mismatch=0.0, spl_mask=mask, spl_rounds=1)
    plain = algorithm.net_builder(num_classes=10)
    plain.load_state_dict(read_checkpoint(os.path.join(trained, "model_best.pth"))["ema_model"])
    assert torch.equal(watch.rounds[0], logits_of(algorithm, plain))
    assert not torch.equal(watch.rounds[1], watch.rounds[0])


def test_with_no_mismatch_and_no_outer_step_the_folded_network_is_the_trained_one(tmp_path, trained):
    algorithm = run(tmp_path, trained, spl_mismatch=0.0, spl_ablation="no_outer", bn_batches=2)
    saved = read_checkpoint(os.path.join(trained, "model_best.pth"))["ema_model"]
    assert equal(dict(sorted(saved.items())), dict(sorted(algorithm.model.state_dict().items())))
    assert algorithm.results_dict["test/spl_acc"] == algorithm.results_dict["test/spl_start_acc"]
    assert algorithm.results_dict["eval/spl_acc"] == algorithm.results_dict["eval/spl_start_acc"]


def test_training_before_the_stage_is_the_base_s_bit_for_bit(tmp_path):
    plain = parameters_of(train_tiny("fixmatch_ns3l", tmp_path / "plain"))
    with_stage = train_tiny("fixmatch_ns3l_spl", tmp_path / "spl", **SHORT, spl_outer="eq6")
    assert equal(plain, parameters_of(with_stage))
    with_stage.finetune()
    saved = read_checkpoint(os.path.join(with_stage.run_directory, "latest_model.pth"))
    for kind, key in (("model", "model"), ("ema", "ema_model")):
        assert equal({name: plain[f"{kind}.{name}"] for name in saved[key]}, saved[key])


def test_names_of_all_combinations_are_registered_in_order():
    for name in ("vat_spl", "fixmatch_ns3l_spl", "fixmatch_dnll_spl", "fixmatch_ns3l_dnll_spl"):
        assert name in ALGORITHMS
    assert "fixmatch_spl_ns3l" not in ALGORITHMS


@pytest.mark.parametrize("mask", ["hard", "soft"])
def test_the_file_of_the_folded_network_loads_into_a_plain_one(tmp_path, trained, mask):
    algorithm = run(tmp_path, trained, spl_mask=mask)
    saved = read_checkpoint(os.path.join(algorithm.run_directory, "model_spl.pth"))
    plain = algorithm.net_builder(num_classes=10)
    masked = algorithm.net_builder(num_classes=10)
    plain.load_state_dict(saved["model"])
    best = algorithm.stage.best
    ratios = {path: mask.ratio for path, mask in algorithm.stage.masks.items()}
    scores = {path: torch.zeros_like(layer.scores) for path, layer in algorithm.stage.masks.items()}
    put_on(
        masked, {path: Mask(s > 0, s, ratios[path], soft=mask == "soft") for path, s in scores.items()}
    )  # filled by the state
    masked.load_state_dict(best["state"])
    assert torch.equal(logits_of(algorithm, plain), logits_of(algorithm, masked))
    assert torch.equal(logits_of(algorithm, plain), logits_of(algorithm))
    kept = sum(int(kept.sum()) for kept in saved["masks"].values())
    total = sum(kept.numel() for kept in saved["masks"].values())
    assert kept / total == pytest.approx(algorithm.results_dict["eval/spl_kept_ratio"])
    for name, kept in saved["masks"].items():
        assert kept.dtype == torch.bool
        assert not saved["model"][name][~kept].any()
    assert bool(saved["soft_masks"]) == (mask == "soft")
    assert algorithm.evaluate("test")["test/top-1-acc"] == algorithm.results_dict["test/spl_acc"]


OPEN_SET = {
    "num_classes": 6, "seen_classes": 6, "mismatch_ratio": 0.5, "num_unlabeled": 300, "num_labels": 30,
    "validation_size": 100, "lr": 0.03, "spl_mismatch": None,
}  # fmt: skip


@pytest.mark.parametrize("bn_batches", [0, 2])
def test_unseen_classes_are_told_apart_by_the_network_before_and_after_the_stage(tmp_path, bn_batches):
    algorithm = run(tmp_path, None, **OPEN_SET, bn_batches=bn_batches)
    test = algorithm.dataset_dict["open_set"].test
    images = plain_images(test, test.transform, range(len(test)))
    algorithm.model.eval()
    with torch.no_grad():
        scores = algorithm.model(images)["logits"].softmax(1).amax(1)
    found = algorithm.results_dict
    assert found["test/spl_open/auroc"] == pytest.approx(roc_auc_score(test.targets < 6, scores), abs=1e-6)
    # Training ends with its best model, which is what the stage starts from.
    for name in ("test/open/auroc", "test/open/pool/auroc", "train/open/confident_unseen"):
        assert found[name.replace("open/", "spl_start_open/", 1)] == found[name]
        assert name.replace("open/", "spl_open/", 1) in found
