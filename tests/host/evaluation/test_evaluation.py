"""V18, B2, B3: figures of an evaluation, and which model they are of."""

import os
from types import SimpleNamespace

import pytest
import torch
from semilearn.core import AlgorithmBase

from usb_negsamp.host import patching
from usb_negsamp.host.evaluation.networks import classification_metrics
from usb_negsamp.testing import build_tiny, train_tiny


def test_metrics_are_those_of_a_worked_example():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]])
    metrics = classification_metrics(logits, torch.tensor([0, 1, 2, 2]), "eval")
    assert metrics["eval/top-1-acc"] == 0.75
    assert metrics["eval/balanced_acc"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert metrics["eval/precision"] == pytest.approx((1 + 0.5 + 1) / 3)
    assert metrics["eval/recall"] == pytest.approx((1 + 1 + 0.5) / 3)


@pytest.mark.parametrize("labels", [[0, 1, 0, 1], [0, 0, 0, 0], [-1, 0, 1, 5]])
def test_missing_classes_and_outliers_do_not_stop_an_evaluation(labels):
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    metrics = classification_metrics(logits, torch.tensor(labels), "eval")
    assert 0.0 <= metrics["eval/top-1-acc"] <= 1.0
    assert "eval/top-5-acc" not in metrics


def test_labels_that_are_all_outliers_are_an_error():
    with pytest.raises(ValueError, match=r"expected labels in 0\.\.1"):
        classification_metrics(torch.zeros(2, 2), torch.tensor([-1, 7]), "eval")


def test_top_5_knows_all_classes():
    logits = torch.eye(8)
    assert classification_metrics(logits, torch.arange(8), "eval")["eval/top-5-acc"] == 1.0


def test_evaluation_works_before_training_which_the_hosts_does_not(tmp_path):
    algorithm = build_tiny("fixmatch", tmp_path)
    assert 0.0 <= algorithm.evaluate("eval")["eval/top-1-acc"] <= 1.0
    with patching.undone("evaluation"), pytest.raises(AttributeError):
        AlgorithmBase.evaluate(algorithm, "eval")


def test_shapes_that_come_once_are_not_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    algorithm = build_tiny("fixmatch", tmp_path)
    measured = []
    algorithm.model.register_forward_pre_hook(lambda *_: measured.append(torch.backends.cudnn.benchmark))
    algorithm.evaluate("eval")
    algorithm.model(torch.zeros(2, 3, 16, 16))
    assert measured == [False, True]


def test_a_best_model_is_saved_though_its_accuracy_is_zero(tmp_path, monkeypatch):
    algorithm = build_tiny("fixmatch", tmp_path)
    monkeypatch.setattr(algorithm, "evaluate", lambda dest: {f"{dest}/top-1-acc": 0.0})
    algorithm.train()
    assert os.path.exists(os.path.join(algorithm.save_dir, algorithm.save_name, "model_best.pth"))


def test_the_test_figure_is_the_best_models_and_the_live_weights_stay(tmp_path):
    algorithm = train_tiny("fixmatch", tmp_path, num_train_iter=60, epoch=1, num_eval_iter=10, lr=0.05)
    best = torch.load(os.path.join(algorithm.save_dir, algorithm.save_name, "model_best.pth"), weights_only=True)
    live = {name: tensor.clone() for name, tensor in algorithm.model.state_dict().items()}
    algorithm.call_hook("after_run", "EvaluationHook")
    assert all(torch.equal(live[name], tensor) for name, tensor in algorithm.model.state_dict().items())
    results = algorithm.results_dict

    fresh = build_tiny("fixmatch", tmp_path / "fresh", num_train_iter=60, epoch=1, num_eval_iter=10, lr=0.05)
    fresh.model.load_state_dict(best["ema_model"])
    assert results["test/best_acc"] == fresh.evaluate("test")["test/top-1-acc"]
    assert set(results) >= {"eval/best_acc", "eval/best_it", "eval/last_acc", "test/best_acc", "test/last_acc"}
    assert algorithm.it == 60


def test_batch_statistics_are_reestimated_for_the_evaluation_alone(tmp_path):
    slow = {"net": "wrn_28_2", "img_size": 32, "num_train_iter": 30, "epoch": 1, "num_eval_iter": 30, "lr": 0.03}
    algorithm = train_tiny("supervised", tmp_path, **slow, batch_size=16, ema_m=0.0)
    assert algorithm.evaluate("eval")["eval/top-1-acc"] < 0.3, "momentum 0.001 leaves running statistics at the start"
    before = {name: tensor.clone() for name, tensor in algorithm.model.state_dict().items()}
    algorithm.args.bn_batches = 2
    assert algorithm.evaluate("eval")["eval/top-1-acc"] > 0.3
    assert all(torch.equal(before[name], tensor) for name, tensor in algorithm.model.state_dict().items())
    assert isinstance(algorithm.args, SimpleNamespace) or algorithm.args.bn_batches == 2
