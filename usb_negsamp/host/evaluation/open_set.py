"""Evaluation against images of unseen classes, and what the unlabeled ones among them do to training.

At each evaluation of a run on an open-set split (``dataset_dict["open_set"]``), by the averaged weights:

=========================  ===========================================================================================
``eval/open/...``          test images of seen classes against those of unseen ones: ``auroc``, ``aupr`` (seen positive)
                           and ``aupr_unseen`` (unseen positive) by maximum softmax; the same by energy with the ending
                           ``_energy``; ``seen_acc``, the accuracy on the seen ones
``eval/open/pool/...``     the same of the unlabeled images
``eval/open/NAME/...``     test images of seen classes against those of another data set (``ood_data``)
``eval/open/balanced_acc`` accuracy over K + 1 classes for a method that rejects, on the test images; with
                           ``extended_balanced_acc`` the other data sets' images are added
``train/open/...``         ``mismatch`` (delta) and ``labeled_ratio`` (tau) of the split, ``confident_unseen``,
                           ``confident_seen`` and ``confident_seen_acc`` of the unlabeled images' predictions;
                           ``weight_seen`` and ``weight_unseen`` where an algorithm weighs them: the mean weights
=========================  ===========================================================================================

At the end ``results_dict`` has ``test/open/...`` and ``train/open/...`` of the model that was best on validation, or of
the last one where there are no validation images; and in any case ``test/last_open/...`` and ``train/last_open/...`` of
the last one, but for ``mismatch`` and ``labeled_ratio``, which are the split's. The pool's true labels are read here
alone, and nothing here reaches a train step or the choice of a model: no random state and no weight is touched.

An algorithm that rejects by itself has a method ``reject_scores(output)``: from the network's output dictionary of a
batch (logits, features, and what its heads add), how surely each image is of an unseen class, (N,). Its separation is
added with the ending ``_reject``. The accuracy over K + 1 classes is by its method ``open_predictions(output)``, which
chooses among the K classes and K, unseen, (N,) int64; without one, it rejects where the score, then from 0 to 1, is
above 0.5. For an algorithm with neither, ``open_reject: threshold`` rejects where the maximum softmax is below the
threshold that keeps 95% of the validation images of seen classes. An algorithm that lets unlabeled images count by a
weight has a method ``weigher()``, which returns what makes weights (N,) of a network's output and the images' places in
the pool (N,), or None. Of two networks (DNLL) the figures are the first's.
"""

from __future__ import annotations

import os
from typing import Any

from semilearn.core.hooks import Hook
from torch import Tensor

from usb_negsamp.data.open_set_metrics import (
    confident_pseudo_labels,
    keeping_threshold,
    max_softmax_score,
    mean_weights,
    open_accuracy,
    separation,
)
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.open_set import OpenSetData
from usb_negsamp.host.evaluation.networks import averaged_weights, weights_of_checkpoint
from usb_negsamp.host.evaluation.predictions import OWN_JUDGMENTS, Predictions, predictions
from usb_negsamp.host.randomness import keyed_randomness

HOOK_NAME = "OpenSetEvaluationHook"
REJECTIONS = ("none", "threshold")
KEPT_SHARE = 0.95
"""Share of the seen validation images that a threshold keeps."""
MAX_IMAGES = 10_000
CUTOFF = 0.95
"""Confidence that counts where an algorithm has no ``p_cutoff``."""
_OF_THE_SPLIT = ("train/open/mismatch", "train/open/labeled_ratio")


def open_set_figures(algorithm: HostAlgorithm, data: OpenSetData) -> dict[str, float]:
    """All figures of the averaged weights of ``algorithm``: ``open/...`` and ``train/open/...``.

    The same on every process. What the data cannot give is left out; so are images of the pool without a known label.
    Draws, should the network or a method make any, come from generators that training does not use.
    """
    args, seen = algorithm.args, data.num_seen
    at_most = images_at_most(args)
    rejects_by_threshold = rejection_of(args) == "threshold" and not rejects_by_itself(algorithm)
    with keyed_randomness(args.seed), averaged_weights(algorithm):
        weigh = getattr(algorithm, "weigher", lambda: None)()
        pool = predictions(algorithm, data.pool, at_most, weigh)
        test = None if data.test is None else predictions(algorithm, data.test)
        ood = {name: predictions(algorithm, dataset, at_most) for name, dataset in data.ood.items()}
        needs_validation = rejects_by_threshold or (test is None and ood)
        validation = predictions(algorithm, algorithm.dataset_dict["eval"]) if needs_validation else None
    pool = pool.where(pool.labels >= 0)
    figures = {f"open/pool/{name}": value for name, value in _separation(pool, seen).items()}
    reference = test if test is not None else validation
    for name, found in ood.items():
        assert reference is not None
        both = reference.of_seen(seen).with_images(found)
        figures.update({f"open/{name}/{figure}": value for figure, value in _separation(both, seen).items()})
    if test is not None:
        figures.update({f"open/{name}": value for name, value in _separation(test, seen).items()})
        figures.update(_seen_accuracy(test, seen))
        figures.update(_rejection(seen, test, ood, validation if rejects_by_threshold else None))
    return {**figures, **_diagnosis(args, data, pool)}


def kept_threshold(logits: Tensor) -> float | None:
    """The threshold of the maximum softmax that keeps :data:`KEPT_SHARE` of the images with ``logits`` (N, K)."""
    return keeping_threshold(max_softmax_score(logits).numpy(), KEPT_SHARE)


def _separation(found: Predictions, num_seen: int) -> dict[str, float]:
    return separation(found.logits, found.labels, num_seen, found.reject)


def _seen_accuracy(test: Predictions, num_seen: int) -> dict[str, float]:
    seen = test.of_seen(num_seen)
    if not len(seen.labels):
        return {}
    return {"open/seen_acc": (seen.logits.argmax(1) == seen.labels).double().mean().item()}


def _rejection(
    num_seen: int, test: Predictions, ood: dict[str, Predictions], validation: Predictions | None
) -> dict[str, float]:
    """Accuracies over K + 1 classes of a method that rejects by itself, or by a threshold that ``validation`` sets."""
    figures: dict[str, float | None] = {}
    threshold = None
    if validation is not None:
        threshold = kept_threshold(validation.of_seen(num_seen).logits)
        figures["open/reject_threshold"] = threshold
    extended = test
    for found in ood.values():
        extended = extended.with_images(found)
    for name, part in (("balanced_acc", test), *([("extended_balanced_acc", extended)] if ood else [])):
        decided = decisions(part, num_seen, threshold)
        if decided is not None:
            classes, labels = decided.numpy(), part.labels.numpy()
            figures[f"open/{name}"] = open_accuracy(classes, classes == num_seen, labels, num_seen)
    return {name: value for name, value in figures.items() if value is not None}


def decisions(found: Predictions, num_seen: int, threshold: float | None) -> Tensor | None:
    """The class (N,) of each image among the K seen ones and K, by the method's own rule, or by a threshold."""
    if found.decided is not None:
        return found.decided
    if found.reject is not None:
        rejected = found.reject > 0.5
    elif threshold is not None:
        rejected = max_softmax_score(found.logits) < threshold
    else:
        return None
    return found.logits.argmax(1).masked_fill(rejected, num_seen)


def _diagnosis(args: Any, data: OpenSetData, pool: Predictions) -> dict[str, float]:
    cutoff = getattr(args, "p_cutoff", None)
    found = confident_pseudo_labels(pool.logits, pool.labels, data.num_seen, CUTOFF if cutoff is None else cutoff)
    split = {"mismatch": data.split.mismatch, "labeled_ratio": data.split.labeled_ratio}
    weights = {} if pool.weights is None else mean_weights(pool.weights, pool.labels, data.num_seen)
    return {f"train/open/{name}": value for name, value in {**split, **found, **weights}.items()}


def images_at_most(args: Any) -> int:
    """The run's ``open_eval_images``; 0: all."""
    value = getattr(args, "open_eval_images", MAX_IMAGES)
    return MAX_IMAGES if value is None else int(value)


def rejection_of(args: Any) -> str:
    """The run's ``open_reject``.

    Raises:
        ConfigError: no such choice.
    """
    name = getattr(args, "open_reject", None) or "none"
    if name not in REJECTIONS:
        raise unknown("open_reject", name, REJECTIONS)
    return str(name)


def check_rejection(algorithm: HostAlgorithm) -> None:
    """Refuse a rejection that nothing can set the threshold of.

    Raises:
        ConfigError: ``open_reject: threshold`` without validation images, or no such choice.
    """
    if rejection_of(algorithm.args) == "threshold" and not _has_validation(algorithm):
        raise ConfigError(
            "open_reject: threshold needs validation images to set its threshold by; give validation_size, but got none"
        )


def open_set_of(algorithm: HostAlgorithm) -> OpenSetData | None:
    """What the run's split has for evaluation; None for a run without unseen classes."""
    found: OpenSetData | None = (getattr(algorithm, "dataset_dict", None) or {}).get("open_set")
    return found


class OpenSetEvaluationHook(Hook):
    """Adds the figures to ``log_dict`` at each evaluation, and to ``results_dict`` at the end (after EvaluationHook).

    Args:
        data: the run's.

    Attributes:
        of_last: the figures of the last model, once it was evaluated.
    """

    settings_only = True

    def __init__(self, data: OpenSetData) -> None:
        self.data = data
        self.of_last: dict[str, float] | None = None

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        """Evaluate where the EvaluationHook has."""
        if not (self.every_n_iters(algorithm, algorithm.num_eval_iter) or self.is_last_iter(algorithm)):
            return
        figures = open_set_figures(algorithm, self.data)
        algorithm.log_dict.update(_under("eval", figures))
        if self.is_last_iter(algorithm):
            self.of_last = figures

    def after_run(self, algorithm: HostAlgorithm) -> None:
        """Evaluate the model that was best on validation, or the last one where nothing chose one; and the last."""
        of_best = best_figures(algorithm, self.data)
        algorithm.results_dict.update(_under("test", of_best))
        is_last = not _has_validation(algorithm) or algorithm.best_it == algorithm.num_train_iter - 1
        # A run that was stopped behind its last step has not seen it evaluated.
        of_last = of_best if is_last else self.of_last or open_set_figures(algorithm, self.data)
        algorithm.results_dict.update(_under("test", of_last_model(of_last)))


def best_figures(algorithm: HostAlgorithm, data: OpenSetData) -> dict[str, float]:
    """The figures of the model that was best on validation, or else of the last one."""
    if not _has_validation(algorithm):
        return open_set_figures(algorithm, data)
    path = os.path.join(algorithm.save_dir, algorithm.save_name, "model_best.pth")
    with weights_of_checkpoint(algorithm, path):
        return open_set_figures(algorithm, data)


def of_last_model(figures: dict[str, float]) -> dict[str, float]:
    """The ``figures`` that are a model's, by the names that they have as the last model's.

    >>> of_last_model({"open/pool/auroc": 0.7, "train/open/confident_unseen": 0.1, "train/open/mismatch": 0.6})
    {'last_open/pool/auroc': 0.7, 'train/last_open/confident_unseen': 0.1}
    """
    return {
        name.replace("open/", "last_open/", 1): value for name, value in figures.items() if name not in _OF_THE_SPLIT
    }


def _under(part: str, figures: dict[str, float]) -> dict[str, float]:
    return {name if name.startswith("train/") else f"{part}/{name}": value for name, value in figures.items()}


def needs_threshold(algorithm: HostAlgorithm) -> bool:
    """Whether the use of the network asks for a threshold that validation images set: there are unseen classes."""
    return open_set_of(algorithm) is not None and _has_validation(algorithm) and not rejects_by_itself(algorithm)


def _has_validation(algorithm: HostAlgorithm) -> bool:
    """Whether the model was chosen on other images than the test images, as in :mod:`repairs.evaluation`."""
    return "test" in algorithm.loader_dict


def rejects_by_itself(algorithm: HostAlgorithm) -> bool:
    """Whether the algorithm has a rule of its own for images of unseen classes."""
    return any(hasattr(algorithm, name) for name in OWN_JUDGMENTS)
