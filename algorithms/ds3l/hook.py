"""The hook that learns the images' weights, and adds the weighted loss (Guo et al., ICML 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from usb_negsamp.algorithms.ds3l.look_ahead import Views, weight_gradients
from usb_negsamp.algorithms.ds3l.settings import DS3LSettings
from usb_negsamp.functional import weighted_mean
from usb_negsamp.host import Hook
from usb_negsamp.host.wrapping.among_processes import share_of, summed
from usb_negsamp.host.wrapping.iteration import is_logged, log_total, ramp_at

if TYPE_CHECKING:
    from usb_negsamp.algorithms.ds3l.ds3l import DS3L

ERRORS = "ds3l_errors"
"""Entry of ``out_dict``: how far the two predictions of each unlabeled image are apart (B_u,), with a gradient."""
PROBS = "ds3l_probs"
"""Entry of ``out_dict``: the first of them (B_u, K), without a gradient."""
VIEWS = "ds3l_views"
"""Entry of ``out_dict``: the images of the step."""


class DS3LHook(Hook):
    """Between the passes of a step and the update: first the weights learn, then the loss is taken by the new ones."""

    settings_only = True

    def __init__(self, settings: DS3LSettings) -> None:
        super().__init__()
        self.settings = settings

    def after_train_step(self, algorithm: DS3L) -> None:
        """Add the loss, and at logged iterations its figures."""
        if self.settings.weight == 0.0:
            return
        out_dict, weights = algorithm.out_dict, algorithm.learned_weights
        errors: Tensor = out_dict[ERRORS]
        weights.place(errors.device)
        views: Views = out_dict.pop(VIEWS)
        weight = self.settings.weight * ramp_at(algorithm, self.settings.ramp)
        gradients, ahead = weight_gradients(algorithm, weights.network, views, weight, self.settings.look_ahead_lr)
        weights.learn(gradients)
        with torch.no_grad():
            of_images = weights.network(out_dict[PROBS])
        # The mean over the images of all processes, whose gradients are averaged.
        total = summed(of_images.sum(), algorithm)
        loss = share_of(algorithm)[1] * weighted_mean(errors, of_images, total)
        out_dict["loss"] = out_dict["loss"] + weight * loss
        if is_logged(algorithm):
            algorithm.log_dict["train/unsup_loss"] = loss.detach()
            algorithm.log_dict["train/ds3l_mean_weight"] = of_images.mean()
            algorithm.log_dict["train/ds3l_look_ahead_loss"] = ahead
            log_total(algorithm)
