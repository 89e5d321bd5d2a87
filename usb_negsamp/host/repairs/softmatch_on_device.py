"""SoftMatch without waiting for the GPU.

What is wrong: ``algorithms/softmatch/utils.py`` takes ``.item()`` of the batch's mean and variance to average them. How
it shows: two waits a step. How it is mended: they are averaged where they are, rounded as Python's numbers were, so
that the averages are the host's to the bit. With ``per_class: True`` each class still waits once. When it may go: when
the host averages tensors.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from semilearn.algorithms.softmatch.utils import SoftMatchWeightingHook
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace


def _moved(average: Tensor, value: Tensor, momentum: float) -> Tensor:
    return momentum * average + ((1 - momentum) * value.double()).to(average.dtype)


def apply() -> None:
    """Wrap ``SoftMatchWeightingHook.update``."""
    original = SoftMatchWeightingHook.update

    @functools.wraps(original)
    @torch.no_grad()
    def update(self: Any, algorithm: HostAlgorithm, probs_x_ulb: Tensor) -> tuple[Tensor, Tensor]:
        if self.per_class:
            found: tuple[Tensor, Tensor] = original(self, algorithm, probs_x_ulb)
            return found
        if algorithm.distributed and algorithm.world_size > 1:
            probs_x_ulb = self.concat_all_gather(probs_x_ulb)
        confidence, labels = probs_x_ulb.max(dim=-1)
        self.prob_max_mu_t = _moved(self.prob_max_mu_t, torch.mean(confidence), self.m)
        self.prob_max_var_t = _moved(self.prob_max_var_t, torch.var(confidence, unbiased=True), self.m)
        return confidence, labels

    replace(SoftMatchWeightingHook, "update", update)
