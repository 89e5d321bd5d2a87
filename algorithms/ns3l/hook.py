"""The hook that adds the NS3L loss to a step of any algorithm (Chen, Shah, Kyrillidis, ICML 2020)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.ns3l.gate import Gate
from usb_negsamp.algorithms.ns3l.rules import NegativeTable, negative_table
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.functional import linear_ramp, ns3l_loss, sigmoid_ramp, threshold_negatives
from usb_negsamp.host import Hook
from usb_negsamp.host.options import mixed_classes
from usb_negsamp.host.wrapping.among_processes import drawn_together
from usb_negsamp.host.wrapping.iteration import is_logged, log_total, ramp_at, step_number

if TYPE_CHECKING:
    from usb_negsamp.algorithms.ns3l.ns3l import NS3LWrapper


class NS3LHook(Hook):
    """Adds ``weight * ramp * mean_b -log(1 - sum of the probabilities of b's negative classes)`` to the step's loss.

    Negatives are the classes whose probability is below the threshold (paper, Algorithm 1). Registered at priority
    HIGHEST ahead of the host's update of the weights. With weight 0 it does nothing at all. A ``gate`` says what each
    image's loss counts; the mean is still one over all images.

    Around MixMatch: :class:`MixMatchNS3LHook`.
    """

    settings_only = True
    ramp_shape = staticmethod(sigmoid_ramp)

    def __init__(self, settings: NS3LSettings, gate: Gate | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.gate = gate
        self.table: NegativeTable | None = None
        self.resumed_excluded: Tensor | None = None

    def before_run(self, algorithm: NS3LWrapper) -> None:
        """Make the table of a rule that needs one, unless the start of the training has left it."""
        if self.settings.rule != "threshold" and self.settings.weight != 0.0:
            self.table = negative_table(algorithm, self.settings, self.resumed_excluded)

    def after_train_step(self, algorithm: NS3LWrapper) -> None:
        """Add the loss, and at logged iterations its figures."""
        if self.settings.weight == 0.0:
            return
        logits, negatives = self.logits_and_negatives(algorithm)
        counts = None if self.gate is None else self.gate.weights(algorithm)
        loss = ns3l_loss(logits, negatives, weights=counts)
        weight = self.settings.weight * ramp_at(algorithm, self.settings.ramp, self.ramp_shape)
        algorithm.out_dict["loss"] = torch.add(algorithm.out_dict["loss"], loss, alpha=weight)
        if is_logged(algorithm):
            algorithm.log_dict.update(self.figures(loss, logits, negatives))
            if counts is not None:
                algorithm.log_dict["train/ns3l_gate"] = counts.mean()
            log_total(algorithm)

    def logits_and_negatives(self, algorithm: NS3LWrapper) -> tuple[Tensor, Tensor]:
        """Logits (N, K) with a gradient, and the negative classes (N, K) as booleans without one."""
        label_view = "x_ulb_w" if self.settings.view != "strong" else algorithm.strong_view
        loss_view = "x_ulb_w" if self.settings.view == "weak" else algorithm.strong_view
        if self.settings.passes == 2:
            logits = algorithm.logits_of_extra_pass(algorithm.second_view if loss_view == "x_ulb_w" else loss_view)
        else:
            logits = algorithm.logits_of(loss_view)
        if self.table is not None:
            draw = partial(self.table.draw, step=step_number(algorithm))
            return logits, drawn_together(draw, algorithm.batch["idx_ulb"], algorithm)
        one_pass = self.settings.passes == 1 and label_view == loss_view
        first = logits if one_pass else algorithm.logits_of(label_view, with_grad=False)
        probs = torch.softmax(first.detach().float(), dim=-1)
        return logits, threshold_negatives(probs, self.settings.threshold)

    @torch.no_grad()
    def figures(self, loss: Tensor, logits: Tensor, negatives: Tensor) -> dict[str, Tensor]:
        """What is logged: the loss, negatives a sample, their mean probability mass, rows that are all negative."""
        mass = (torch.softmax(logits.float(), dim=-1) * negatives).sum(1)
        return {
            "train/ns3l_loss": loss.detach(),
            "train/ns3l_negatives": negatives.sum(1).float().mean(),
            "train/ns3l_mass": mass.mean(),
            "train/ns3l_all_negative": negatives.all(1).sum(),
        }


class MixMatchNS3LHook(NS3LHook):
    """NS3L in MixMatch (paper, section 4.4): negatives are read from the generated, mixed labels.

    The loss runs over the mixed labeled and unlabeled inputs, whose logits and labels are the arguments of the base's
    own two losses: no pass is added. As in the paper, a class that was mixed in with less than T is a negative, also
    where it is a true label's; ``spare_mixed`` leaves out the likeliest class of each of the two mixed labels.
    The weight grows linearly, as that of MixMatch's own unlabeled loss.
    """

    ramp_shape = staticmethod(linear_ramp)

    def before_run(self, algorithm: NS3LWrapper) -> None:
        """Listen to the two criteria of the base algorithm."""
        self.mixed: list[tuple[Tensor, Tensor]] = []
        for criterion in (algorithm.ce_loss, algorithm.consistency_loss):
            criterion.register_forward_hook(self._keep)

    def before_train_step(self, algorithm: NS3LWrapper) -> None:
        """Forget the step before."""
        self.mixed.clear()
        if self.settings.spare_mixed and self.settings.weight != 0.0:
            mixed_classes.listen()

    def after_train_step(self, algorithm: NS3LWrapper) -> None:
        """Add the loss, but in a warm-up of the base, where it mixes nothing."""
        if not getattr(algorithm, "is_warming_up", False):
            super().after_train_step(algorithm)

    def _keep(self, module: Any, inputs: tuple[Any, ...], output: Any) -> None:
        logits, labels = inputs[:2]
        if labels.dim() == 2 and torch.is_grad_enabled() and logits.requires_grad:
            self.mixed.append((logits, labels))

    def logits_and_negatives(self, algorithm: NS3LWrapper) -> tuple[Tensor, Tensor]:
        logits = torch.cat([kept for kept, _ in self.mixed])
        labels = torch.cat([labels for _, labels in self.mixed])
        self.mixed.clear()
        negatives = threshold_negatives(labels.detach().float(), self.settings.threshold)
        return logits, negatives & ~mixed_classes.heard() if self.settings.spare_mixed else negatives
