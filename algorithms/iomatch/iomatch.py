"""IOMatch: seen and unseen unlabeled images both teach, as images of K + 1 classes (Li et al., ICCV 2023)."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.iomatch.heads import OPEN_LOGITS, OVA_LOGITS, ProjectedHeads, open_probs
from usb_negsamp.algorithms.iomatch.settings import IOMatchSettings
from usb_negsamp.functional import known_probs, one_vs_all_loss, open_targets
from usb_negsamp.host import AlgorithmBase
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.wrapping.distribution_alignment import ALIGNMENT_HOOK, alignment_hook
from usb_negsamp.host.wrapping.iteration import iterations_of
from usb_negsamp.host.wrapping.stand_alone import outputs_of_views
from usb_negsamp.nets import with_heads

UNSEEN_FROM = 0.5
"""Probability of *unseen* from which the classifier of the seen classes does not learn from an image."""


class IOMatch(AlgorithmBase):
    """Labeled images teach the classifier and the one-vs-all heads; unlabeled ones the classifier and the open-set one.

    The targets of the weak view, without a gradient, are p, the classifier's probabilities, and q, those of K + 1
    classes (:func:`open_targets`). On the strong view the classifier learns p where its largest is sure and *unseen*
    is unlikely in q, and the open-set classifier q where its largest is sure. All views take one joint pass.
    """

    settings_class = IOMatchSettings
    paper = "Li, Qi, Shi, Gao, ICCV 2023"

    def __init__(self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None, **kwargs: Any) -> None:
        self.iomatch_settings = IOMatchSettings.from_arguments(args)
        make_heads = partial(ProjectedHeads, proj_size=self.iomatch_settings.proj_size)
        super().__init__(args, with_heads(net_builder, make_heads), tb_log, logger, **kwargs)

    def set_hooks(self) -> None:
        """Register the alignment of distributions where it is asked for, then the host's hooks."""
        if self.iomatch_settings.dist_align:
            self.register_hook(alignment_hook(self.num_classes), ALIGNMENT_HOOK)
        super().set_hooks()

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One step's loss.

        Args:
            x_lb: labeled images (B_l, C, H, W), a weak view.
            y_lb: their labels (B_l,).
            x_ulb_w: unlabeled images (B_u, C, H, W), a weak view.
            x_ulb_s: a strong view of them.
        """
        settings = self.iomatch_settings
        with self.amp_cm():
            labeled, weak, strong = outputs_of_views(self, x_lb, x_ulb_w, x_ulb_s)
            sup_loss = self.ce_loss(labeled["logits"], y_lb, reduction="mean")
            ova_loss = one_vs_all_loss(labeled[OVA_LOGITS], y_lb)
            probs, open_set = self.targets(weak)
            is_sure = (probs.amax(1) >= settings.p_cutoff) & (open_set[:, -1] < UNSEEN_FROM)
            is_sure_open = open_set.amax(1) >= settings.q_cutoff
            unsup_loss = self.learned(strong["logits"], probs, is_sure)
            open_loss = self.learned(strong[OPEN_LOGITS], open_set, is_sure_open)
            open_weight = settings.open_weight * self.open_loss_counts()
            total_loss = sup_loss + settings.ova_weight * ova_loss + self.lambda_u * unsup_loss
            # Counted with 0, so that its parameters have a gradient from the first step on.
            total_loss = total_loss + open_weight * open_loss
        features = {"x_lb": labeled["feat"], "x_ulb_w": weak["feat"], "x_ulb_s": strong["feat"]}
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.detach(),
            unsup_loss=unsup_loss.detach(),
            total_loss=total_loss.detach(),
            util_ratio=is_sure.float().mean(),
            iomatch_ova_loss=ova_loss.detach(),
            iomatch_open_loss=open_loss.detach(),
            iomatch_open_ratio=is_sure_open.float().mean(),
            iomatch_unseen=(open_set.argmax(1) == self.num_classes).float().mean(),
        )
        return self.process_out_dict(loss=total_loss, feat=features), log_dict

    @torch.no_grad()
    def targets(self, weak: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What the strong view learns: p (N, K) and q (N, K + 1), of the network's output on the weak view."""
        probs = weak["logits"].float().softmax(1)
        if self.iomatch_settings.dist_align:
            probs = self.call_hook("dist_align", ALIGNMENT_HOOK, probs_x_ulb=probs)
        return probs, open_targets(probs, known_probs(weak[OVA_LOGITS]))

    def learned(self, logits: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """Cross-entropy to the ``targets`` (N, C), summed over the true ``rows`` (N,) and divided by N."""
        labels = targets.argmax(1) if self.iomatch_settings.hard_label else targets
        loss: Tensor = self.consistency_loss(logits, labels, "ce", mask=rows.float())
        return loss

    def open_loss_counts(self) -> bool:
        """Whether the first part of the training is over."""
        return self.it >= iterations_of(self.iomatch_settings.start, self.num_train_iter)

    def reject_scores(self, output: dict[str, Tensor]) -> Tensor:
        """The probability (N,) of *unseen*."""
        return open_probs(output)[:, -1]

    def open_predictions(self, output: dict[str, Tensor]) -> Tensor:
        """The likeliest (N,) of the seen classes and K, *unseen*."""
        return open_probs(output).argmax(1)

    @staticmethod
    def get_argument() -> list[Any]:
        """IOMatch's keys."""
        return [host_argument(key) for key in IOMatchSettings.all_keys()]
