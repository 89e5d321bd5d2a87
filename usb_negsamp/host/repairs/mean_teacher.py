"""Mean Teacher on the host's main branch (B1).

What is wrong: ``algorithms/meanteacher/meanteacher.py`` there takes the student's logits from the teacher's pass. How
it shows: the consistency loss is about 0 and has no gradient; a supervised run under the name of Mean Teacher. How it
is mended: a step of our own, where the student sees the second view and learns to agree with the teacher on the first.
When it may go: when the host's step reads the output of its own pass.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import numpy as np
import torch
from semilearn.algorithms.meanteacher.meanteacher import MeanTeacher
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace


def ignores_the_student(train_step: Any) -> bool:
    """Whether the host's step computes ``outs_x_ulb_s`` and never reads it."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(train_step)))
    uses = [type(node.ctx) for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "outs_x_ulb_s"]
    return ast.Store in uses and ast.Load not in uses


def _without_statistics(algorithm: HostAlgorithm, images: Tensor) -> dict[str, Tensor]:
    algorithm.bn_controller.freeze_bn(algorithm.model)
    try:
        outputs: dict[str, Tensor] = algorithm.model(images)
        return outputs
    finally:
        algorithm.bn_controller.unfreeze_bn(algorithm.model)


def train_step(self: Any, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor) -> tuple[Any, Any]:
    """One step: cross-entropy on labeled data, squared distance of student and teacher on unlabeled data."""
    with self.amp_cm():
        labeled = self.model(x_lb)
        self.ema.apply_shadow()
        try:
            with torch.no_grad():
                teacher = _without_statistics(self, x_ulb_w)
        finally:
            self.ema.restore()
        student = _without_statistics(self, x_ulb_s)

        sup_loss = self.ce_loss(labeled["logits"], y_lb, reduction="mean")
        target = self.compute_prob(teacher["logits"].detach())
        unsup_loss = self.consistency_loss(student["logits"], target, "mse")
        warm_up = float(np.clip(self.it / (self.unsup_warm_up * self.num_train_iter), 0.0, 1.0))
        total_loss = sup_loss + self.lambda_u * warm_up * unsup_loss

    feat = {"x_lb": labeled["feat"], "x_ulb_w": teacher["feat"], "x_ulb_s": student["feat"]}
    out_dict = self.process_out_dict(loss=total_loss, feat=feat)
    log_dict = self.process_log_dict(
        sup_loss=sup_loss.detach(), unsup_loss=unsup_loss.detach(), total_loss=total_loss.detach()
    )
    return out_dict, log_dict


def apply() -> None:
    """Replace ``MeanTeacher.train_step`` where it ignores the student."""
    if ignores_the_student(MeanTeacher.train_step):
        replace(MeanTeacher, "train_step", train_step)
