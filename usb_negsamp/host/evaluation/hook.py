"""When a run evaluates, what it keeps as its best, and what it reports at its end."""

from __future__ import annotations

import os

import numpy as np
import torch
from semilearn.core.hooks import Hook

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.evaluation.networks import evaluate_checkpoint, evaluations_left
from usb_negsamp.host.evaluation.open_set import kept_threshold, needs_threshold


class EvaluationHook(Hook):
    """Evaluates, keeps the best, and reports the best and the last model at the end.

    ``kept_threshold`` is there from the first evaluation on where the use of the network needs one.
    """

    kept_threshold: float | None

    def __init__(self) -> None:
        super().__init__()
        self.has_best = False
        self.last_eval: list[float] = []
        self.last_test: list[float] = []

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        if not (self.every_n_iters(algorithm, algorithm.num_eval_iter) or self.is_last_iter(algorithm)):
            return
        sets_threshold = needs_threshold(algorithm)
        eval_dict = algorithm.evaluate("eval", return_logits=True) if sets_threshold else algorithm.evaluate("eval")
        if sets_threshold:
            self.kept_threshold = kept_threshold(torch.from_numpy(eval_dict.pop("eval/logits")))
        algorithm.log_dict.update(eval_dict)
        accuracy = eval_dict["eval/top-1-acc"]
        self.last_acc = accuracy
        if accuracy > algorithm.best_eval_acc or not self.has_best:
            algorithm.best_eval_acc, algorithm.best_it, self.has_best = accuracy, algorithm.it, True
        self.keep_last(algorithm, accuracy)

    def keep_last(self, algorithm: HostAlgorithm, accuracy: float) -> None:
        """Keep the accuracies of the last evaluations, on the test images too, where a median of them is asked."""
        wanted = getattr(algorithm.args, "num_last_evaluations", 0) or 0
        left = evaluations_left(algorithm.it + 1, algorithm.num_train_iter, algorithm.num_eval_iter)
        if left >= wanted:
            return
        self.last_eval.append(accuracy)
        if "test" in algorithm.loader_dict:
            # A loader's iterator draws a seed: training must not depend on whether the test images are looked at.
            with torch.random.fork_rng(devices=[]):
                self.last_test.append(algorithm.evaluate("test")["test/top-1-acc"])

    def after_run(self, algorithm: HostAlgorithm) -> None:
        run_dir = os.path.join(algorithm.save_dir, algorithm.save_name)
        if not algorithm.distributed or algorithm.rank % algorithm.ngpus_per_node == 0:
            algorithm.save_model("latest_model.pth", run_dir)
        if algorithm.distributed:
            torch.distributed.barrier()
        results = {
            "eval/best_acc": algorithm.best_eval_acc,
            "eval/best_it": algorithm.best_it,
            "eval/last_acc": getattr(self, "last_acc", algorithm.best_eval_acc),
        }
        if "test" in algorithm.loader_dict:
            best = evaluate_checkpoint(algorithm, os.path.join(run_dir, "model_best.pth"), "test")
            results["test/best_acc"] = best["test/top-1-acc"]
            results["test/last_acc"] = algorithm.evaluate("test")["test/top-1-acc"]
        for name, kept in (("eval", self.last_eval), ("test", self.last_test)):
            if kept:
                results[f"{name}/median_last"] = float(np.median(kept))
        algorithm.results_dict = results
