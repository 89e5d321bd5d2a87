"""UASD: self-distillation from the mean of past predictions (Chen, Zhu, Li, Gong, AAAI 2020)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.uasd.hook import UASDHook
from usb_negsamp.algorithms.uasd.settings import UASDSettings
from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import soft_cross_entropy
from usb_negsamp.host.wrapping.among_processes import share_of, summed
from usb_negsamp.host.wrapping.iteration import ramp_at
from usb_negsamp.host.wrapping.stand_alone import StandAlone


class UASD(StandAlone):
    """The labeled loss, and the soft cross-entropy with the mean of all past predictions where that mean is confident.

    Confident is an image whose mean's largest probability is at least the mean confidence of the validation images,
    whose predictions are averaged in the same way: a tenth as many validation images as training ones take part in each
    step. The loss is the mean over the confident images of the step, labeled ones among them, as in the released code.
    All images take one pass, whose statistics batch norms follow.

    With weight 0 it is supervised training.
    """

    base_name = "pseudolabel"
    paper = "Chen, Zhu, Li, Gong, AAAI 2020"
    settings_class = UASDSettings

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        self.uasd_settings = UASDSettings.from_arguments(args)
        super().__init__(args, *rest, **kwargs)

    def set_hooks(self) -> None:
        """Make the memory for the run's images, and register it with the host's hooks.

        Raises:
            ConfigError: there are no validation images.
        """
        data = self.dataset_dict
        if data.get("test") is None:
            raise ConfigError(
                "uasd sets its threshold by validation images: expected validation_size above 0 (or a data set with a "
                "validation part), but the only images to evaluate on are the test images"
            )
        num_labeled, num_unlabeled, num_validation = (len(data[part]) for part in ("train_lb", "train_ulb", "eval"))
        self.memory = UASDHook(num_labeled, num_unlabeled, num_validation, self.num_classes)
        self.register_hook(self.memory, "UASDHook")
        super().set_hooks()

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, idx_lb: Tensor, idx_ulb: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One step's loss.

        Args:
            x_lb: labeled images (B_l, C, H, W).
            y_lb: their labels (B_l,).
            x_ulb_w: unlabeled images (B_u, C, H, W).
            idx_lb: places of the labeled images in their data set (B_l,).
            idx_ulb: of the unlabeled ones (B_u,).
        """
        if self.uasd_settings.weight == 0.0:
            return self.supervised_step(x_lb, y_lb)
        memory = self.memory
        memory.place(x_lb.device)
        num_training = (len(x_lb) + len(x_ulb_w)) * share_of(self)[1]
        seen, x_validation = memory.validation_batch(self, num_training)
        with self.amp_cm():
            outputs = self.passed(x_lb, x_ulb_w, x_validation)
            logits = [output["logits"] for output in outputs]
            sup_loss = self.ce_loss(logits[0], y_lb, reduction="mean")
        targets, threshold = memory.targets(idx_lb, idx_ulb), memory.threshold()
        confident = (targets.amax(dim=1) >= threshold).float()
        # The mean over the images of all processes, whose gradients are averaged.
        number, share = confident.sum(), share_of(self)[1]
        unsup_loss = (soft_cross_entropy(torch.cat(logits[:2]), targets) * confident).sum() * share
        unsup_loss = unsup_loss / summed(number.clone(), self).clamp(min=1.0)
        total_loss = sup_loss
        if self.it >= self.uasd_settings.start * self.num_train_iter:
            weight = self.uasd_settings.weight * ramp_at(self, self.uasd_settings.ramp)
            total_loss = sup_loss + weight * unsup_loss
        memory.remember(self, (idx_lb, idx_ulb), logits, seen)
        out_dict = self.process_out_dict(
            loss=total_loss, feat={"x_lb": outputs[0]["feat"], "x_ulb_w": outputs[1]["feat"]}
        )
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.detach(),
            unsup_loss=unsup_loss.detach(),
            total_loss=total_loss.detach(),
            util_ratio=confident[len(x_lb) :].mean(),
            uasd_threshold=threshold,
        )
        return out_dict, log_dict
