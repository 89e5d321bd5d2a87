"""FlexMatch without waiting for the GPU.

What is wrong: ``algorithms/flexmatch/utils.py`` fetches the pseudo label of every unlabeled image in each step to count
them in Python, writes one number a class back, and picks rows by a mask. How it shows: four waits and K copies a step,
2 ms of the host for 50,000 images. How it is mended: labels are counted and written where they are; what is not
confident is written past the end. On the CPU the numbers are the host's to the bit. When it may go: when the host
computes so.
"""

from __future__ import annotations

from typing import Any

import torch
from semilearn.algorithms.flexmatch.utils import FlexMatchThresholdingHook
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace


@torch.no_grad()
def update(self: Any, *args: Any, **kwargs: Any) -> None:
    """Each class's share of the most frequent label; as it is while no image has one."""
    labels = self.selected_label
    counts = labels.new_zeros(self.num_classes + 1).scatter_add_(0, labels + 1, torch.ones_like(labels))
    some = counts.max() < self.ulb_dest_len
    most = (counts if self.thresh_warmup else counts[1:]).max()
    shares = (counts[1:].double() / most.double()).to(self.classwise_acc.dtype)
    self.classwise_acc = torch.where(some, shares, self.classwise_acc)


@torch.no_grad()
def masking(
    self: Any,
    algorithm: HostAlgorithm,
    logits_x_ulb: Tensor,
    idx_ulb: Tensor,
    softmax_x_ulb: bool = True,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    """Which rows of ``logits_x_ulb`` (N, K) pass their class's threshold; the labels of confident ones are kept."""
    device = logits_x_ulb.device
    self.selected_label, self.classwise_acc = self.selected_label.to(device), self.classwise_acc.to(device)
    options: Any = algorithm
    logits = logits_x_ulb.detach()
    confidence, labels = torch.max(options.compute_prob(logits) if softmax_x_ulb else logits, dim=-1)
    learned = self.classwise_acc[labels]
    mask = confidence.ge(options.p_cutoff * (learned / (2.0 - learned))).to(confidence.dtype)

    number = len(self.selected_label)
    places = torch.where(confidence.ge(options.p_cutoff), idx_ulb, number)
    self.selected_label = torch.cat([self.selected_label, labels.new_zeros(1)]).index_put_((places,), labels)[:number]
    self.update()
    return mask


def apply() -> None:
    """Replace the two methods of ``FlexMatchThresholdingHook``."""
    replace(FlexMatchThresholdingHook, "update", update)
    replace(FlexMatchThresholdingHook, "masking", masking)
