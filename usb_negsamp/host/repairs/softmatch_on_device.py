"""SoftMatch without waiting for the GPU.

What is wrong: ``algorithms/softmatch/utils.py`` takes ``.item()`` of the batch's mean and variance to average them;
with ``per_class: True`` it picks the rows of each class by a mask. How it shows: two waits a step, or one a class. How
it is mended: they are averaged where they are, rounded as Python's numbers were, so that the averages are the host's to
the bit. Per class they are sums over all rows on a GPU, of which those of other classes count 0: the host's but for the
order in which a sum is rounded; on the CPU, where nothing waits, they are the host's own. When it may go: when the host
averages tensors.
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


def moments_of_classes(confidence: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance (K,) of ``confidence`` (N,) over the rows that have each of the ``labels`` (N,).

    0 and 1 for a class of fewer than two rows.
    """
    of_class = labels.unsqueeze(1) == torch.arange(num_classes, device=labels.device)
    count = of_class.sum(0)
    values = confidence.unsqueeze(1)
    mean = (values * of_class).sum(0) / count.clamp(min=1)
    variance = ((values - mean).square() * of_class).sum(0) / (count - 1).clamp(min=1)
    some = count > 1
    return torch.where(some, mean, 0.0), torch.where(some, variance, 1.0)


def apply() -> None:
    """Wrap ``SoftMatchWeightingHook.update``."""
    original = SoftMatchWeightingHook.update

    @functools.wraps(original)
    @torch.no_grad()
    def update(self: Any, algorithm: HostAlgorithm, probs_x_ulb: Tensor) -> tuple[Tensor, Tensor]:
        if self.per_class and not probs_x_ulb.is_cuda:
            found: tuple[Tensor, Tensor] = original(self, algorithm, probs_x_ulb)
            return found
        if algorithm.distributed and algorithm.world_size > 1:
            probs_x_ulb = self.concat_all_gather(probs_x_ulb)
        confidence, labels = probs_x_ulb.max(dim=-1)
        if self.per_class:
            mean, variance = moments_of_classes(confidence, labels, self.num_classes)
            self.prob_max_mu_t = self.m * self.prob_max_mu_t + (1 - self.m) * mean
            self.prob_max_var_t = self.m * self.prob_max_var_t + (1 - self.m) * variance
            return confidence, labels
        self.prob_max_mu_t = _moved(self.prob_max_mu_t, torch.mean(confidence), self.m)
        self.prob_max_var_t = _moved(self.prob_max_var_t, torch.var(confidence, unbiased=True), self.m)
        return confidence, labels

    replace(SoftMatchWeightingHook, "update", update)
