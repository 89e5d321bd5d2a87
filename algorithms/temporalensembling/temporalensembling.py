"""Temporal Ensembling: consistency with an average of each image's past predictions (Laine, Aila, ICLR 2017)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from usb_negsamp.algorithms.temporalensembling.hook import TemporalEnsemblingHook
from usb_negsamp.algorithms.temporalensembling.settings import TemporalEnsemblingSettings
from usb_negsamp.functional import distance_to_targets
from usb_negsamp.host.wrapping.iteration import ramp_at
from usb_negsamp.host.wrapping.stand_alone import StandAlone


class TemporalEnsembling(StandAlone):
    """The labeled loss, and the squared distance of each unlabeled image's probabilities to its memory's.

    The paper's minibatches are drawn from one pool, and its weight is w_max times the share of labeled images in it. As
    its labeled loss is the sum over the few labeled images of a minibatch, divided by all, the two are to each other as
    the mean loss of labeled images and w_max here. Labeled images are consistent with their past, too, as members of
    the pool (``include_lb_to_ulb``, the host's default). Before the first epoch has ended nobody has a target.

    With weight 0 it is supervised training.
    """

    base_name = "pseudolabel"
    paper = "Laine, Aila, ICLR 2017"
    settings_class = TemporalEnsemblingSettings

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        self.ensembling_settings = TemporalEnsemblingSettings.from_arguments(args)
        super().__init__(args, *rest, **kwargs)

    def set_hooks(self) -> None:
        """Make the memory for the run's unlabeled images, and register it with the host's hooks."""
        num_unlabeled = len(self.dataset_dict["train_ulb"])
        self.memory = TemporalEnsemblingHook(self.ensembling_settings, num_unlabeled, self.num_classes)
        self.register_hook(self.memory, "TemporalEnsemblingHook")
        super().set_hooks()

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, idx_ulb: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One step's loss.

        Args:
            x_lb: labeled images (B_l, C, H, W).
            y_lb: their labels (B_l,).
            x_ulb_w: unlabeled images (B_u, C, H, W).
            idx_ulb: their places in their data set (B_u,).
        """
        settings, memory = self.ensembling_settings, self.memory
        if settings.weight == 0.0:
            return self.supervised_step(x_lb, y_lb)
        memory.place(x_lb.device)
        with self.amp_cm():
            labeled, unlabeled = self.passed(x_lb, x_ulb_w)
            sup_loss = self.ce_loss(labeled["logits"], y_lb, reduction="mean")
        targets, known = memory.targets(idx_ulb)
        unsup_loss = (distance_to_targets(unlabeled["logits"], targets) * known).mean()
        total_loss = sup_loss + settings.weight * ramp_at(self, settings.ramp) * unsup_loss
        memory.remember(self, idx_ulb, unlabeled["logits"])
        out_dict = self.process_out_dict(loss=total_loss, feat={"x_lb": labeled["feat"], "x_ulb_w": unlabeled["feat"]})
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.detach(),
            unsup_loss=unsup_loss.detach(),
            total_loss=total_loss.detach(),
            util_ratio=known.mean(),
        )
        return out_dict, log_dict
