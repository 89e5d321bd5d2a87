"""One of the two networks of Dual Student: what it learns without the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.algorithms.dualstudent.settings import StudentSettings
from usb_negsamp.functional import squared_error
from usb_negsamp.host import AlgorithmBase
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.wrapping.iteration import ramp_at

STUDENT_LOGITS = "student_logits"
"""Entry of ``out_dict``: logits (N, K) of the unlabeled view that the network learns on, with their gradient."""
OTHER_LOGITS = "other_logits"
"""Entry of ``out_dict``: logits (N, K) of the other unlabeled view, without a gradient."""


class Student(AlgorithmBase):
    """A network that is consistent with itself: labeled loss, and its predictions on two views of every image.

    With B labeled and unlabeled images in the step, the loss is the sum of the labeled images' cross-entropies, and of
    all images' squared differences (mean over the classes) to the probabilities on the other view, the latter with
    weight and ramp, divided by B, as in the released code. The other view's pass carries no gradient and leaves running
    statistics of batch norms alone, where the released code lets it move them, which is ``bn_update: all``.

    Departure: one classifier, where the released code's networks have two, for classes and for consistency, held
    together by their distance. The networks of the host have one. That code runs with one, too
    (``logit_distance_cost`` below 0).
    """

    settings_class = StudentSettings

    def __init__(self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None, **kwargs: Any) -> None:
        self.student_settings = StudentSettings.from_arguments(args)
        super().__init__(args, net_builder, tb_log, logger, **kwargs)

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_lb_1: Tensor, x_ulb_w: Tensor, x_ulb_w_1: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """One step's loss.

        Args:
            x_lb: labeled images (B_l, C, H, W), view to learn on.
            y_lb: their labels (B_l,).
            x_lb_1: their other view.
            x_ulb_w: unlabeled images (B_u, C, H, W), view to learn on.
            x_ulb_w_1: their other view.
        """
        num_labeled = len(x_lb)
        with self.amp_cm():
            outputs = self.model(torch.cat((x_lb, x_ulb_w)))
            logits, features = outputs["logits"], outputs["feat"]
            self.bn_controller.freeze_bn(self.model)
            with torch.no_grad():
                other = self.model(torch.cat((x_lb_1, x_ulb_w_1)))["logits"]
            self.bn_controller.unfreeze_bn(self.model)
            class_loss = self.ce_loss(logits[:num_labeled], y_lb, reduction="mean")
            consistency_loss = squared_error(logits, other).mean()
            total_loss = class_loss * (num_labeled / len(logits))
            weight = self.student_settings.consistency_weight * ramp_at(self, self.student_settings.ramp)
            total_loss = total_loss + weight * consistency_loss
        out_dict = self.process_out_dict(
            loss=total_loss,
            feat={"x_lb": features[:num_labeled], "x_ulb_w": features[num_labeled:]},
            **{STUDENT_LOGITS: logits[num_labeled:], OTHER_LOGITS: other[num_labeled:]},
        )
        log_dict = self.process_log_dict(
            sup_loss=class_loss.detach(), unsup_loss=consistency_loss.detach(), total_loss=total_loss.detach()
        )
        return out_dict, log_dict

    @staticmethod
    def get_argument() -> list[Any]:
        """The keys of one network."""
        return [host_argument(key) for key in StudentSettings.all_keys()]
