"""Evaluation against unseen classes: what it says, of which model, and that training does not notice it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from stopped_run import train_stopped_and_resumed

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.open_set import OpenSetData
from usb_negsamp.host.evaluation.open_set import HOOK_NAME, open_set_figures, open_set_of
from usb_negsamp.host.patching import undone
from usb_negsamp.run.configuration.keys import own_key
from usb_negsamp.testing import build_tiny, parameters_of, train_tiny

OPEN: dict[str, Any] = {
    "seen_classes": [1, 3, 5, 7, 8, 9],
    "num_classes": 6,
    "num_labels": 24,
    "num_unlabeled": 400,
    "mismatch_ratio": 0.3,
    "validation_size": 100,
    "open_eval_images": 150,
    "epoch": 1,
    "lr": 0.05,
}
TEST_FIGURES = {f"{name}{end}" for name in ("auroc", "aupr", "aupr_unseen") for end in ("", "_energy")}


def data_of(algorithm: Any) -> OpenSetData:
    data = open_set_of(algorithm)
    assert data is not None
    return data


def images_of_test(data: OpenSetData) -> Any:
    assert data.test is not None
    return data.test


def averaged_logits(algorithm: Any, dataset: Any) -> torch.Tensor:
    """By ``ema_model``, image by image: another way than the one under test."""
    algorithm.ema_model.eval()
    with torch.no_grad():
        images = torch.stack([dataset[index]["x_lb"] for index in range(len(dataset))])
        return algorithm.ema_model(images)["logits"].double()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run whose last evaluation, at iteration 12, is not its best."""
    return train_tiny(
        "fixmatch", tmp_path_factory.mktemp("run"), **OPEN, num_train_iter=12, num_eval_iter=4, p_cutoff=0.3
    )


def test_the_figures_of_an_evaluation_are_those_of_the_averaged_weights(trained: Any) -> None:
    data, log = data_of(trained), trained.log_dict
    test_logits = averaged_logits(trained, data.test)
    labels = np.asarray(images_of_test(data).targets)
    seen = labels < 6
    for ending, scores in (("", test_logits.softmax(1).amax(1)), ("_energy", test_logits.logsumexp(1))):
        assert log[f"eval/open/auroc{ending}"] == pytest.approx(roc_auc_score(seen, scores), abs=1e-6)
    assert log["eval/open/seen_acc"] == pytest.approx((test_logits.argmax(1).numpy() == labels)[seen].mean())
    assert {name.removeprefix("eval/open/pool/") for name in log if "/pool/" in name} == TEST_FIGURES


def test_the_diagnosis_counts_confident_predictions_on_the_pool(trained: Any) -> None:
    data = data_of(trained)
    places = np.linspace(0, len(data.pool) - 1, 150).astype(int)
    probs = averaged_logits(trained, data.pool)[places].softmax(1)
    labels = np.asarray(data.pool.targets)[places]
    confident = (probs.amax(1) >= 0.3).numpy()
    log = trained.log_dict
    assert log["train/open/mismatch"] == data.split.mismatch == pytest.approx(0.3, abs=0.011)
    assert log["train/open/labeled_ratio"] == pytest.approx(24 / len(data.pool))
    assert log["train/open/confident_unseen"] == pytest.approx(confident[labels >= 6].mean())
    assert log["train/open/confident_seen"] == pytest.approx(confident[labels < 6].mean())
    right = (probs.argmax(1).numpy() == labels)[confident & (labels < 6)]
    assert log["train/open/confident_seen_acc"] == pytest.approx(right.mean())


def test_at_the_end_the_figures_are_those_of_the_model_that_was_best_on_validation(trained: Any) -> None:
    best = torch.load(Path(trained.save_dir) / trained.save_name / "model_best.pth", weights_only=True)
    fresh = build_tiny("fixmatch", Path(trained.save_dir) / "fresh", **OPEN, p_cutoff=0.3)
    fresh.model.load_state_dict(best["ema_model"])
    expected = open_set_figures(fresh, data_of(fresh))
    results = trained.results_dict
    for name, value in expected.items():
        assert results[name if name.startswith("train/") else f"test/{name}"] == pytest.approx(value)
    assert results["test/open/seen_acc"] == pytest.approx(results["test/best_acc"])


def test_the_last_models_figures_stand_beside_them(trained: Any, tmp_path: Path) -> None:
    results, log = trained.results_dict, trained.log_dict
    assert results["eval/best_it"] + 1 < 12
    of_split = {"train/open/mismatch", "train/open/labeled_ratio"}
    last = {name: value for name, value in log.items() if name.startswith(("eval/open/", "train/open/"))}
    expected = {
        name.replace("eval/", "test/").replace("open/", "last_open/"): value
        for name, value in last.items()
        if name not in of_split
    }
    assert {name: value for name, value in results.items() if "last_open/" in name} == expected
    assert results["test/last_open/seen_acc"] == pytest.approx(results["test/last_acc"])
    assert results["test/last_open/auroc"] != results["test/open/auroc"]
    # The one step's evaluation is the best there is, and the last.
    once = train_tiny("fixmatch", tmp_path, **{**OPEN, "num_train_iter": 1, "num_eval_iter": 1}).results_dict
    assert once["test/last_open/auroc"] == once["test/open/auroc"]


def test_a_run_that_was_stopped_behind_its_last_step_has_the_last_models_figures(trained: Any) -> None:
    hook = trained.hooks_dict[HOOK_NAME]
    before, evaluated = dict(trained.results_dict), hook.of_last
    try:
        for name in [name for name in before if "last_open/" in name]:
            del trained.results_dict[name]
        hook.of_last = None
        hook.after_run(trained)
        assert trained.results_dict == before
    finally:
        hook.of_last = evaluated
        trained.results_dict.update(before)


def test_without_validation_images_the_figures_are_the_last_models(tmp_path: Path) -> None:
    settings = {**OPEN, "validation_size": 0, "num_eval_iter": 4}
    algorithm = train_tiny("supervised", tmp_path, **settings)
    results = algorithm.results_dict
    assert results["test/open/auroc"] == results["test/last_open/auroc"] == algorithm.log_dict["eval/open/auroc"]


@pytest.mark.parametrize(
    ("name", "more"),
    [("supervised", {"bn_batches": 1}), ("mixmatch", {"num_workers": 1}), ("fixmatch_ns3l", {}), ("meanteacher", {})],
)
def test_training_does_not_notice(name: str, more: dict[str, Any], tmp_path: Path) -> None:
    """MixMatch draws from NumPy's generator in each step, and the loaders from PyTorch's."""
    looked = train_tiny(name, tmp_path / "looked", **OPEN, **more)
    assert "eval/open/auroc" in looked.log_dict
    with undone("open_set_evaluation"):
        plain = train_tiny(name, tmp_path / "plain", **OPEN, **more)
    assert HOOK_NAME not in plain.hooks_dict
    expected = parameters_of(plain)
    assert all(torch.equal(expected[key], tensor) for key, tensor in parameters_of(looked).items())
    for key, value in plain.results_dict.items():
        assert looked.results_dict[key] == value


def test_looking_leaves_the_live_model_and_all_generators_as_they_were(trained: Any) -> None:
    before = parameters_of(trained)
    trained.model.train()
    states = (torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].copy())
    first = open_set_figures(trained, data_of(trained))
    assert trained.model.training
    assert torch.equal(states[0], torch.get_rng_state())
    assert (states[1] == np.random.get_state(legacy=False)["state"]["key"]).all()
    assert all(torch.equal(before[key], tensor) for key, tensor in parameters_of(trained).items())
    assert open_set_figures(trained, data_of(trained)) == first


def test_a_resumed_run_has_the_figures_of_the_whole_one(tmp_path: Path) -> None:
    settings = {**OPEN, "num_train_iter": 10, "num_eval_iter": 4}
    whole = train_tiny("fixmatch", tmp_path / "whole", **settings)
    resumed = train_stopped_and_resumed("fixmatch", tmp_path / "again", 6, **settings)
    assert "test/open/pool/auroc" in whole.results_dict
    assert resumed.results_dict == whole.results_dict


def test_a_pool_without_unseen_images_has_no_figure_of_them(tmp_path: Path) -> None:
    algorithm = build_tiny("fixmatch", tmp_path, **{**OPEN, "mismatch_ratio": 0.0})
    figures = open_set_figures(algorithm, data_of(algorithm))
    assert not any("/pool/" in name for name in figures)
    assert "train/open/confident_unseen" not in figures
    assert figures["train/open/mismatch"] == 0
    assert np.isfinite(list(figures.values())).all()


def test_images_of_unknown_class_are_neither_seen_nor_unseen(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(trained)
    labels = np.asarray(data.pool.targets)
    targets = labels.copy()
    targets[::2] = -1
    half = like(data.pool, data.pool.data, targets)
    monkeypatch.setattr(trained.args, "open_eval_images", 0)
    figures = open_set_figures(trained, dataclasses.replace(data, pool=half))
    scores = averaged_logits(trained, data.pool).softmax(1).amax(1)[1::2].numpy()
    seen = labels[1::2] < 6
    assert figures["train/open/confident_unseen"] == pytest.approx((scores >= 0.3)[~seen].mean())
    assert figures["open/pool/auroc"] == pytest.approx(roc_auc_score(seen, scores), abs=1e-6)


def like(dataset: Any, images: np.ndarray, targets: np.ndarray) -> Any:
    """A data set of the same kind."""
    return type(dataset)(alg="supervised", data=images, targets=targets, num_classes=6, transform=dataset.transform)


def other_images(algorithm: Any, number: int) -> Any:
    """Noise as a data set of the run's kind."""
    pool = data_of(algorithm).pool
    images = np.random.default_rng(0).integers(0, 256, (number, *pool.data.shape[1:]), dtype=np.uint8)
    return like(pool, images, np.full(number, -1))


def test_other_data_sets_are_set_against_the_seen_images_of_test(trained: Any) -> None:
    data = data_of(trained)
    noise = other_images(trained, 40)
    figures = open_set_figures(trained, dataclasses.replace(data, ood={"noise": noise}))
    of_seen = averaged_logits(trained, data.test)[np.asarray(images_of_test(data).targets) < 6]
    scores = torch.cat([of_seen, averaged_logits(trained, noise)]).softmax(1).amax(1)
    truth = [1] * len(of_seen) + [0] * 40
    assert figures["open/noise/auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-6)


def test_without_test_images_other_data_are_set_against_the_validation_images(trained: Any) -> None:
    data = dataclasses.replace(data_of(trained), test=None, ood={"noise": other_images(trained, 10)})
    figures = open_set_figures(trained, data)
    assert "open/noise/auroc" in figures
    assert "open/auroc" not in figures
    assert "open/seen_acc" not in figures


def test_a_threshold_of_the_validation_images_rejects(tmp_path: Path) -> None:
    algorithm = train_tiny("supervised", tmp_path, **OPEN, open_reject="threshold", num_eval_iter=20)
    log, data = algorithm.log_dict, data_of(algorithm)
    validation = averaged_logits(algorithm, algorithm.dataset_dict["eval"]).softmax(1).amax(1)
    threshold = log["eval/open/reject_threshold"]
    assert 0.95 <= (validation >= threshold - 1e-6).double().mean() < 1
    test = averaged_logits(algorithm, data.test)
    labels = np.minimum(np.asarray(images_of_test(data).targets), 6)
    answers = np.where(test.softmax(1).amax(1).numpy() < threshold - 1e-9, 6, test.argmax(1).numpy())
    recalls = [(answers[labels == label] == label).mean() for label in range(7)]
    assert log["eval/open/balanced_acc"] == pytest.approx(np.mean(recalls), abs=1e-3)
    noisy = open_set_figures(algorithm, dataclasses.replace(data, ood={"noise": other_images(algorithm, 30)}))
    assert noisy["open/balanced_acc"] == log["eval/open/balanced_acc"]
    assert "open/extended_balanced_acc" in noisy


def test_by_default_nothing_is_rejected(trained: Any) -> None:
    assert not any("balanced_acc" in name for name in trained.log_dict if "/open/" in name)


def test_a_method_may_reject_by_itself(trained: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = data_of(trained)
    by_energy = {"wanted": 0.0}

    def reject_scores(output: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.sigmoid(by_energy["wanted"] - output["logits"].logsumexp(1))

    monkeypatch.setattr(trained, "reject_scores", reject_scores, raising=False)
    figures = open_set_figures(trained, data)
    assert figures["open/auroc_reject"] == pytest.approx(figures["open/auroc_energy"], abs=1e-6)
    by_energy["wanted"] = 1e6
    assert open_set_figures(trained, data)["open/balanced_acc"] == pytest.approx(1 / 7), "everything rejected"


def test_a_method_may_choose_among_the_seen_classes_and_one_more_by_itself(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(trained)
    labels = np.minimum(np.asarray(images_of_test(data).targets), 6)
    # Classes 0 and 6 alone are ever chosen, by another rule than the largest logit or a score above 0.5.
    scores = averaged_logits(trained, data.test)[:, 0].numpy()
    middle = float(np.sort(scores)[len(scores) // 2 - 1 : len(scores) // 2 + 1].mean())
    chosen = np.where(scores > middle, 6, 0)

    def open_predictions(output: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.where(output["logits"][:, 0] > middle, 6, 0)

    monkeypatch.setattr(trained, "reject_scores", lambda output: output["logits"][:, 0], raising=False)
    monkeypatch.setattr(trained, "open_predictions", open_predictions, raising=False)
    monkeypatch.setattr(trained.args, "open_reject", "threshold", raising=False)
    noise = other_images(trained, 30)
    figures = open_set_figures(trained, dataclasses.replace(data, ood={"noise": noise}))
    recalls = [(chosen[labels == label] == label).mean() for label in range(7)]
    assert 0 < recalls[6] < 1
    assert figures["open/balanced_acc"] == pytest.approx(np.mean(recalls))
    outliers = averaged_logits(trained, noise)[:, 0].numpy() > middle
    rejected = ((chosen[labels == 6] == 6).sum() + outliers.sum()) / ((labels == 6).sum() + 30)
    assert figures["open/extended_balanced_acc"] == pytest.approx((sum(recalls[:6]) + rejected) / 7)
    assert "open/reject_threshold" not in figures
    assert figures["open/auroc_reject"] == pytest.approx(roc_auc_score(labels == 6, scores), abs=1e-6)


def test_a_threshold_without_validation_images_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^open_reject: threshold needs validation images .* got none$"):
        build_tiny("supervised", tmp_path, **{**OPEN, "validation_size": 0}, open_reject="threshold")


def test_an_unknown_rejection_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^unknown open_reject 'treshold'; did you mean 'threshold'\?$"):
        build_tiny("supervised", tmp_path, **OPEN, open_reject="treshold")


def test_a_run_without_unseen_classes_has_no_such_evaluation(tmp_path: Path) -> None:
    algorithm = train_tiny("supervised", tmp_path, num_train_iter=2, epoch=1)
    assert HOOK_NAME not in algorithm.hooks_dict
    assert not any("open" in name for name in (*algorithm.log_dict, *algorithm.results_dict))


def test_the_keys_offer_what_the_evaluation_knows() -> None:
    reject, images = own_key("open_reject"), own_key("open_eval_images")
    assert reject is not None
    assert images is not None
    assert (reject.choices, reject.default, images.default) == (("none", "threshold"), "none", 10_000)
