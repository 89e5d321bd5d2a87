"""The steps of SPL's stage: of the scores on V1 (inner), of the weights under the mask (outer), and of both at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from usb_negsamp.algorithms.spl.masked import Mask, stored_tensors
from usb_negsamp.algorithms.spl.settings import SPLSettings
from usb_negsamp.algorithms.spl.validation import Validation, inputs_and_labels
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.after_training import training_batches, training_step, update_weights
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.wrapper import frozen_running_statistics

PERTURBED_VIEW = "x_ulb_w_1"


def score_gradients(algorithm: Any, masks: dict[str, Mask], batch: dict[str, Any]) -> list[Tensor]:
    """Gradients of the cross-entropy on a batch of V1 with respect to the scores (equations 5 and 8).

    Batch statistics normalize and nothing learns from them; the weights receive no gradient. Averaged over processes,
    so that all of them keep the same scores.
    """
    inputs, labels = inputs_and_labels(algorithm, batch)
    scores = [mask.scores for mask in masks.values()]
    for mask in masks.values():
        mask.scores.requires_grad_()
        mask.learning = True
    try:
        with frozen_running_statistics(algorithm), torch.enable_grad():
            loss = F.cross_entropy(network_of(algorithm.model)(inputs)["logits"].float(), labels)
        gradients = list(torch.autograd.grad(loss, scores))
    finally:
        for mask in masks.values():
            mask.scores.requires_grad_(False)
            mask.learning = False
    if algorithm.distributed:
        for gradient in gradients:
            torch.distributed.all_reduce(gradient)
            gradient /= algorithm.world_size
    return gradients


@torch.no_grad()
def move_scores(masks: dict[str, Mask], gradients: list[Tensor], lr: float) -> None:
    """One step of gradient descent on the scores, and the masks that they give from now on."""
    for mask, gradient in zip(masks.values(), gradients, strict=True):
        mask.scores.sub_(gradient, alpha=lr)
        mask.settle()


class HarmfulWeightsKept:
    """Keeps the weights under a mask's zeros where they are, whatever an optimizer does: momentum, decay, or Adam.

    They keep their values for a later swap. Under weight normalization the entries of the direction are kept.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, network: nn.Module, masks: dict[str, Mask]) -> None:
        self.masked = [
            (tensor, mask) for path, mask in masks.items() for tensor in stored_tensors(network.get_submodule(path))
        ]
        self.kept: list[Tensor] = []
        optimizer.register_step_pre_hook(self.before)
        optimizer.register_step_post_hook(self.after)

    @torch.no_grad()
    def before(self, *_: Any) -> None:
        """Remember the weights."""
        self.kept = [tensor.detach().clone() for tensor, _ in self.masked]

    @torch.no_grad()
    def after(self, *_: Any) -> None:
        """Put the harmful ones back."""
        for (tensor, mask), before in zip(self.masked, self.kept, strict=True):
            tensor.copy_(torch.where(mask.kept, tensor, before))
        self.kept = []


def equation_6(algorithm: Any, batch: dict[str, Any]) -> Tensor:
    """Cross-entropy of the labeled batch plus the squared distance of the softmax of two weak views (equations 6, 7).

    The distance is summed over classes and averaged over the unlabeled batch; the clean side gets no gradient. One
    joint pass, whose batch statistics are those of all three batches.
    """
    device = next(algorithm.model.parameters()).device
    labeled, clean, perturbed = (on_device(batch[key], device) for key in ("x_lb", "x_ulb_w", PERTURBED_VIEW))
    with algorithm.amp_cm():
        logits = algorithm.model(torch.cat((labeled, clean, perturbed)))["logits"]
    parts: tuple[Tensor, ...] = logits.float().split((len(labeled), len(clean), len(perturbed)))
    target = parts[1].detach().softmax(1)
    distance = (parts[2].softmax(1) - target).square().sum(1).mean()
    return F.cross_entropy(parts[0], on_device(batch["y_lb"].long(), device)) + distance


@contextmanager
def at_rate(optimizer: torch.optim.Optimizer, rate: float, usual: float) -> Iterator[None]:
    """Inside the block groups of the ``usual`` rate learn at ``rate``, and others at theirs in proportion."""
    before = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] = rate * (group["lr"] / usual)
    try:
        yield
    finally:
        for group, lr in zip(optimizer.param_groups, before, strict=True):
            group["lr"] = lr


class Steps:
    """Takes the steps of one kind after the other; what comes next depends on the numbers it is given alone.

    Args:
        algorithm: with the stage's optimizer.
        settings: the outer loss and its rate.
        validation: V1.
        masks: on the network already; none for a control.
        rate: of the steps on V1, of the scores or of a control's weights; None where there is none.
    """

    def __init__(
        self,
        algorithm: Any,
        settings: SPLSettings,
        validation: Validation,
        masks: dict[str, Mask],
        rate: float | None,
    ) -> None:
        self.algorithm, self.settings, self.validation, self.masks = algorithm, settings, validation, masks
        self.rate = 0.0 if rate is None else rate
        self.batches: Iterator[dict[str, Any]] | None = None

    def take(self, kind: str, inner_done: int, outer_done: int) -> None:
        """Take one step.

        Args:
            kind: ``inner``, ``outer``, ``joint`` or ``finetune``.
            inner_done: batches of V1 taken before it.
            outer_done: training batches taken before it.
        """
        if kind == "inner":
            move_scores(self.masks, self.gradients(inner_done), self.rate)
        elif kind == "outer":
            self.outer(outer_done)
        elif kind == "joint":
            # Both gradients are taken at the same point.
            gradients = self.gradients(inner_done)
            self.outer(outer_done)
            move_scores(self.masks, gradients, self.rate)
        else:
            self.finetune(inner_done)

    def first_batch(self, number: int) -> dict[str, Any]:
        """A batch of V1, of the size of the labeled batch over all processes."""
        size = self.algorithm.args.batch_size * self.algorithm.world_size
        return self.validation.batch_of_first(number, size)

    def gradients(self, number: int) -> list[Tensor]:
        """Gradients of the scores on batch ``number`` of V1."""
        return score_gradients(self.algorithm, self.masks, self.first_batch(number))

    def outer(self, number: int) -> None:
        """A step of the weights on training batch ``number`` under the present mask."""
        if self.batches is None:
            self.batches = training_batches(self.algorithm, number)
        batch = next(self.batches)
        self.algorithm.steps_after_training = number
        if self.settings.outer == "eq6":
            update_weights(self.algorithm, equation_6(self.algorithm, batch))
        else:
            training_step(self.algorithm, batch)

    def finetune(self, number: int) -> None:
        """A step of all weights on batch ``number`` of V1."""
        inputs, labels = inputs_and_labels(self.algorithm, self.first_batch(number))
        with frozen_running_statistics(self.algorithm):
            loss = F.cross_entropy(self.algorithm.model(inputs)["logits"].float(), labels)
        with at_rate(self.algorithm.optimizer, self.rate, self.settings.outer_lr):
            update_weights(self.algorithm, loss)
