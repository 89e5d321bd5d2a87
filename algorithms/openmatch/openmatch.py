"""OpenMatch: one-vs-all classifiers choose the images that FixMatch learns from (Saito et al., NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

from usb_negsamp.algorithms.openmatch.heads import OVA_LOGITS, OneVsAllHeads, unknown_probs_of_predictions
from usb_negsamp.algorithms.openmatch.hook import SelectionHook
from usb_negsamp.algorithms.openmatch.settings import OpenMatchSettings
from usb_negsamp.functional import one_vs_all_loss, open_consistency, open_entropy
from usb_negsamp.host import AlgorithmBase
from usb_negsamp.host.datasets.kept_images import KeptImages
from usb_negsamp.host.datasets.seeded_loading import worthwhile_workers
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.wrapping.among_processes import share_of
from usb_negsamp.host.wrapping.iteration import step_number
from usb_negsamp.host.wrapping.stand_alone import outputs_of_views
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose
from usb_negsamp.nets import with_heads

BASE = "supervised"
"""The host's data set makes no unlabeled view for this name: all are asked for."""
SECOND_LABELED_VIEW = "x_lb_w_1"
VIEWS = ("x_ulb_w", "x_ulb_w_1")
KEPT_VIEWS = ("x_ulb_w", "x_ulb_s")
_STREAM = 0x09E4


def mean_of(losses: Iterable[Tensor]) -> Tensor:
    """The mean of scalars."""
    return torch.stack(list(losses)).mean()


class OpenMatchStep(AlgorithmBase):
    """The labeled losses, what all unlabeled images teach the one-vs-all classifiers, and FixMatch on the kept ones.

    One joint pass carries two weak views of the labeled images and two of the unlabeled ones, a second one a weak and a
    strong view of the kept ones. The loss is the cross-entropy and :func:`one_vs_all_loss` of both labeled views and,
    with their weights, :func:`open_entropy` of both unlabeled views, :func:`open_consistency` between them, and
    FixMatch's loss of kept images alone.
    """

    settings_class = OpenMatchSettings
    openmatch_selection: SelectionHook

    def __init__(self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None, **kwargs: Any) -> None:
        self.openmatch_settings = OpenMatchSettings.from_arguments(args)
        super().__init__(args, with_heads(net_builder, OneVsAllHeads), tb_log, logger, **kwargs)

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_lb_w_1: Tensor, x_ulb_w: Tensor, x_ulb_w_1: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One step's loss.

        Args:
            x_lb: labeled images (B_l, C, H, W), a weak view.
            y_lb: their labels (B_l,).
            x_lb_w_1: another weak view of them.
            x_ulb_w: unlabeled images (B_u, C, H, W), a weak view.
            x_ulb_w_1: another weak view of them.
        """
        settings = self.openmatch_settings
        with self.amp_cm():
            *labeled, first, second = outputs_of_views(self, x_lb, x_lb_w_1, x_ulb_w, x_ulb_w_1)
            sup_loss = mean_of(self.ce_loss(one["logits"], y_lb, reduction="mean") for one in labeled)
            ova_loss = mean_of(one_vs_all_loss(one[OVA_LOGITS], y_lb) for one in labeled)
            entropy = mean_of(open_entropy(one[OVA_LOGITS]) for one in (first, second))
            consistency = open_consistency(first[OVA_LOGITS], second[OVA_LOGITS])
            unsup_loss = self.fixmatch_loss(sup_loss)
            total_loss = sup_loss + ova_loss + self.lambda_u * unsup_loss
            total_loss = total_loss + settings.entropy_weight * entropy + settings.consistency_weight * consistency
        features = {"x_lb": labeled[0]["feat"], "x_ulb_w": first["feat"]}
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.detach(),
            unsup_loss=unsup_loss.detach(),
            total_loss=total_loss.detach(),
            openmatch_ova_loss=ova_loss.detach(),
            openmatch_entropy=entropy.detach(),
            openmatch_consistency=consistency.detach(),
            openmatch_kept=self.openmatch_selection.images.chosen_share,
        )
        return self.process_out_dict(loss=total_loss, feat=features), log_dict

    def fixmatch_loss(self, like: Tensor) -> Tensor:
        """FixMatch's loss of the step's kept images; 0, of the kind of ``like``, before its start or without any."""
        batch = None
        if self.openmatch_selection.has_begun(self):
            batch = self.openmatch_selection.images.batch(step_number(cast("Wrapper", self)), like.device)
        if batch is None:
            return torch.zeros_like(like)
        weak, strong = outputs_of_views(self, *(batch[view] for view in KEPT_VIEWS))
        confidence, labels = weak["logits"].detach().float().softmax(1).max(1)
        mask = (confidence >= self.openmatch_settings.p_cutoff).float()
        loss: Tensor = self.consistency_loss(strong["logits"], labels, "ce", mask=mask)
        return loss

    def reject_scores(self, output: dict[str, Tensor]) -> Tensor:
        """How likely each image (N,) is not of the class that it is taken for; above 0.5 it is rejected."""
        return unknown_probs_of_predictions(output)

    @staticmethod
    def get_argument() -> list[Any]:
        """OpenMatch's keys."""
        return [host_argument(key) for key in OpenMatchSettings.all_keys()]


class OpenMatchWrapper(Wrapper):
    """Brings the views that OpenMatch reads, and chooses images."""

    wrapper_name = "openmatch"
    paper = "Saito, Kim, Saenko, NeurIPS 2021"
    settings_class = OpenMatchSettings
    openmatch_settings: OpenMatchSettings

    @classmethod
    def own_keys(cls) -> tuple[()]:
        """None: they are those of what is inside."""
        return ()

    @classmethod
    def views_needed(cls, args: Any) -> tuple[str, ...]:
        """Two weak views, and those of what is inside."""
        return (*super().views_needed(args), *VIEWS)

    @classmethod
    def labeled_views_needed(cls, args: Any) -> tuple[str, ...]:
        """A second weak view, and those of what is inside."""
        return (*super().labeled_views_needed(args), SECOND_LABELED_VIEW)

    def set_hooks(self) -> None:
        """Register the hook that chooses images, then the host's hooks."""
        pool = self.dataset_dict["train_ulb"]
        batch_size = (self.openmatch_settings.uratio or self.args.uratio) * self.args.batch_size
        seed = mix(self.seed_of_draws, _STREAM)
        images = KeptImages(pool, KEPT_VIEWS, batch_size=batch_size, seed=seed, share=share_of(self))
        images.num_workers = worthwhile_workers(images.dataset, batch_size, self.args.num_workers)
        self.openmatch_selection = SelectionHook(self.openmatch_settings, images, len(pool))
        self.register_hook(self.openmatch_selection, "OpenMatchSelectionHook")
        super().set_hooks()


OpenMatch = compose(OpenMatchStep, "openmatch", BASE, OpenMatchWrapper)
