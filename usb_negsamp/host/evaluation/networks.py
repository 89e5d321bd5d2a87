"""Networks under evaluation: by which weights, on which loader, and the host's figures over what comes out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    top_k_accuracy_score,
)
from torch import Tensor

from usb_negsamp.errors import TrainingDiverged
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint, unwrapped_state
from usb_negsamp.host.checkpoints.fit import averaged_state
from usb_negsamp.host.evaluation.batch_norm import reestimated_batch_norm
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.passes.logits_tape import evaluated_logits


@torch.no_grad()
def outputs_of(algorithm: HostAlgorithm, loader: Iterable[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], Tensor]]:
    """What ``algorithm.model`` as it is makes of each batch of ``loader`` ("x_lb", "y_lb"), and the labels."""
    device = next(algorithm.model.parameters()).device
    for batch in loader:
        inputs = laid_out(on_device(batch["x_lb"], device), algorithm.model)
        output = algorithm.model(inputs)
        yield {**output, "logits": evaluated_logits(algorithm, inputs, output["logits"])}, batch["y_lb"]


def laid_out(inputs: Any, model: torch.nn.Module) -> Any:
    """``inputs``; images on a CPU with the channels of a pixel side by side, where ``model`` is faster so.

    A network says that it is by ``evaluated_channels_last = True``. The numbers are the same up to the rounding of one
    pass, which no further step makes larger.
    """
    on_cpu = isinstance(inputs, Tensor) and inputs.dim() == 4 and inputs.device.type == "cpu"
    if on_cpu and getattr(network_of(model), "evaluated_channels_last", False):
        return inputs.contiguous(memory_format=torch.channels_last)
    return inputs


@torch.no_grad()
def predict(algorithm: HostAlgorithm, eval_dest: str, out_key: str = "logits") -> tuple[Tensor, Tensor]:
    """Logits (N, K) in float32 and labels (N,) of a loader of ``algorithm``, on the CPU, by the model as it is."""
    logits, labels = [], []
    for output, target in outputs_of(algorithm, algorithm.loader_dict[eval_dest]):
        logits.append(output[out_key].float())
        labels.append(target)
    return torch.cat(logits).cpu(), torch.cat(labels).long().cpu()


@contextmanager
def shapes_of_the_moment() -> Iterator[None]:
    """Inside the block cuDNN chooses its kernels without measuring them, which batches that come once never repay."""
    cudnn: Any = torch.backends.cudnn
    before, cudnn.benchmark = cudnn.benchmark, False
    try:
        yield
    finally:
        cudnn.benchmark = before


@contextmanager
def averaged_weights(algorithm: HostAlgorithm) -> Iterator[None]:
    """Inside the block ``algorithm.model`` is what is evaluated: the averaged weights (the live ones before training).

    It is in evaluation mode, with re-estimated batch-norm statistics if ``bn_batches`` > 0; afterwards it is as before.
    """
    was_training = algorithm.model.training
    algorithm.model.eval()
    if algorithm.ema is not None:
        algorithm.ema.apply_shadow()
    try:
        with shapes_of_the_moment(), reestimated_batch_norm(algorithm):
            yield
    finally:
        if algorithm.ema is not None:
            algorithm.ema.restore()
        algorithm.model.train(was_training)


@contextmanager
def weights_of_checkpoint(algorithm: HostAlgorithm, path: str | os.PathLike[str]) -> Iterator[None]:
    """Inside the block ``algorithm.model`` has the averaged weights saved at ``path``, and no further average."""
    with weights_of(algorithm, averaged_state(read_checkpoint(path), algorithm.model, path)):
        yield


@contextmanager
def weights_of(algorithm: HostAlgorithm, state: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside the block ``algorithm.model`` has the weights and buffers ``state``, and no average of them."""
    live = {name: tensor.detach().clone() for name, tensor in algorithm.model.state_dict().items()}
    ema, algorithm.ema = algorithm.ema, None
    try:
        algorithm.model.load_state_dict(unwrapped_state(state, algorithm.model))
        yield
    finally:
        algorithm.model.load_state_dict(live)
        algorithm.ema = ema


def classification_metrics(logits: Tensor, labels: Tensor, prefix: str) -> dict[str, float]:
    """The host's figures over the rows whose label is one of the K classes of ``logits`` (N, K).

    Raises:
        ValueError: no row has such a label.
    """
    num_classes = logits.shape[1]
    known = (labels >= 0) & (labels < num_classes)
    if not known.any():
        raise ValueError(f"expected labels in 0..{num_classes - 1} in {prefix!r}, but none of {len(labels)} is")
    logits, labels = logits[known], labels[known]
    true, predicted = labels.numpy(), logits.argmax(1).numpy()
    averaged = {"average": "macro", "zero_division": 0.0}
    metrics = {
        "loss": F.cross_entropy(logits, labels).item(),
        "top-1-acc": float(accuracy_score(true, predicted)),
        "balanced_acc": float(recall_score(true, predicted, labels=np.unique(true), **averaged)),
        "precision": float(precision_score(true, predicted, **averaged)),
        "recall": float(recall_score(true, predicted, **averaged)),
        "F1": float(f1_score(true, predicted, **averaged)),
    }
    if num_classes > 5:
        classes = np.arange(num_classes)
        metrics["top-5-acc"] = float(top_k_accuracy_score(true, logits.numpy(), k=5, labels=classes))
    return {f"{prefix}/{name}": value for name, value in metrics.items()}


def evaluate(
    self: Any, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
) -> dict[str, Any]:
    """Evaluate the averaged weights (the live ones before training) on the loader ``eval_dest``."""
    with averaged_weights(self):
        logits, labels = predict(self, eval_dest, out_key)
    if not torch.isfinite(logits).all():
        raise TrainingDiverged(
            f"the network's outputs on the {eval_dest!r} images are not finite after iteration {self.it + 1}: the "
            f"training has diverged; a lower lr than {self.args.lr:g} may help"
        )
    # Some imbalanced algorithms choose another head here, which other evaluations have to follow.
    self.evaluated_out_key = out_key
    eval_dict: dict[str, Any] = classification_metrics(logits, labels, eval_dest)
    known = (labels >= 0) & (labels < logits.shape[1])
    true, predicted = labels[known].numpy(), logits[known].argmax(1).numpy()
    # For whoever shows it: that of all classes, also of those without images, which the host does not print.
    shares = confusion_matrix(true, predicted, labels=np.arange(logits.shape[1]), normalize="true")
    self.confusion_shares = {**getattr(self, "confusion_shares", {}), eval_dest: shares}
    met = np.union1d(true, predicted)
    self.print_fn("confusion matrix:\n" + np.array_str(shares[np.ix_(met, met)]))
    if return_logits:
        eval_dict[eval_dest + "/logits"] = logits.numpy()
    return eval_dict


def evaluate_checkpoint(algorithm: HostAlgorithm, path: str | os.PathLike[str], eval_dest: str) -> dict[str, Any]:
    """Evaluate the averaged weights saved at ``path``; the live model is the same before and after."""
    with weights_of_checkpoint(algorithm, path):
        return algorithm.evaluate(eval_dest)


def evaluations_left(iterations_done: int, num_train_iter: int, num_eval_iter: int) -> int:
    """Evaluations to come in a run that evaluates every ``num_eval_iter`` iterations and after the last one.

    >>> [evaluations_left(done, 25, 10) for done in (10, 20, 25)]
    [2, 1, 0]
    """
    return -(-num_train_iter // num_eval_iter) - -(-iterations_done // num_eval_iter)
