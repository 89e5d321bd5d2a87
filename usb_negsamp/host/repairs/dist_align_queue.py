"""The queue of distribution alignment in CoMatch and SimMatch, without waiting for the GPU.

What is wrong: ``algorithms/hooks/dist_align.py`` ``DistAlignQueueHook`` keeps the place of the next entry on the GPU,
fetches it in each step and writes it back. How it shows: two waits a step. How it is mended: entries are
written by the tensor, which is moved on where it is. When it may go: when the host does so, or counts in Python.
"""

from __future__ import annotations

from typing import Any

import torch
from semilearn.algorithms.hooks import DistAlignQueueHook
from semilearn.algorithms.utils import concat_all_gather
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace


def _put(queue: Tensor, place: Tensor, probs: Tensor) -> None:
    """Write the mean of ``probs`` (N, K) into ``queue`` (L, K) at ``place`` (1,), and move that on."""
    queue.index_copy_(0, place, probs.mean(dim=0, keepdim=True).to(queue.dtype))
    place.add_(1).remainder_(len(queue))


@torch.no_grad()
def update_p(self: Any, algorithm: HostAlgorithm, probs_x_ulb: Tensor, probs_x_lb: Tensor | None) -> None:
    """Put the mean probabilities of a batch into the queues."""
    device = probs_x_ulb.device
    follows_labels = self.p_target_ptr is not None
    self.p_model, self.p_model_ptr, self.p_target = (
        kept.to(device) for kept in (self.p_model, self.p_model_ptr, self.p_target)
    )
    several = algorithm.distributed and algorithm.world_size > 1
    _put(self.p_model, self.p_model_ptr, concat_all_gather(probs_x_ulb) if several else probs_x_ulb.detach())
    if follows_labels:
        assert probs_x_lb is not None
        self.p_target_ptr = self.p_target_ptr.to(device)
        _put(self.p_target, self.p_target_ptr, concat_all_gather(probs_x_lb) if several else probs_x_lb.detach())


def apply() -> None:
    """Replace ``DistAlignQueueHook.update_p``."""
    replace(DistAlignQueueHook, "update_p", update_p)
