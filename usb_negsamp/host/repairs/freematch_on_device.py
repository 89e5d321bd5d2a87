"""FreeMatch without waiting for the GPU.

What is wrong: ``algorithms/freematch`` asks whether the mask holds a sample, picks rows by the mask and counts classes
by ``bincount``: the host has to know a size before it can go on. How it shows: seven waits a step. How it is mended: on
a GPU rows that the mask leaves out count 0 in the loss's means, and an empty mask gives a loss of 0, which is the
host's but for the order in which a sum is rounded; classes are counted by comparison. On the CPU, where nothing waits,
the loss is the host's own. When it may go: when the host computes so.
"""

from __future__ import annotations

import ast
import functools
from typing import Any

import torch
from semilearn.algorithms.freematch import freematch, utils
from semilearn.algorithms.utils import concat_all_gather
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace
from usb_negsamp.host.rewriting import expression, rewritten


def _inverse(values: Tensor) -> Tensor:
    """1 / ``values``, and 0 where that is infinite."""
    inverse = 1 / values
    return inverse.masked_fill(inverse == float("inf"), 0.0).detach()


def _of_classes(labels: Tensor, num_classes: int) -> Tensor:
    """(N, K), bool: whether row n has the label k."""
    return labels.unsqueeze(1) == torch.arange(num_classes, device=labels.device)


def entropy_loss(mask: Tensor, logits_s: Tensor, prob_model: Tensor, label_hist: Tensor) -> tuple[Tensor, Tensor]:
    """FreeMatch's fairness loss over the rows of ``logits_s`` (N, K) that ``mask`` (N,) keeps, 0 if it keeps none."""
    kept = mask.bool().unsqueeze(1)
    number = kept.sum()
    some, divisor = number > 0, number.clamp(min=1)

    probs = logits_s.softmax(dim=-1)
    predicted = torch.max(probs, dim=-1).indices
    histogram = (_of_classes(predicted, logits_s.shape[1]) & kept).sum(0).to(logits_s.dtype)
    histogram = histogram / divisor

    expected = prob_model.reshape(1, -1) * _inverse(label_hist.reshape(1, -1))
    expected = expected / expected.sum(dim=-1, keepdim=True)
    found = (probs * kept).sum(dim=0, keepdim=True) / divisor * _inverse(histogram)
    found = found / torch.where(some, found.sum(dim=-1, keepdim=True), 1)
    loss = (expected * torch.log(found + 1e-12)).sum(dim=1).mean()
    return torch.where(some, loss, 0), histogram.mean()


@torch.no_grad()
def update(self: Any, algorithm: HostAlgorithm, probs_x_ulb: Tensor) -> None:
    """Move the averages of confidence, probabilities and predicted classes by one batch (N, K)."""
    if algorithm.distributed and algorithm.world_size > 1:
        probs_x_ulb = concat_all_gather(probs_x_ulb)
    confidence, predicted = torch.max(probs_x_ulb, dim=-1, keepdim=True)
    options: Any = algorithm
    level = torch.quantile(confidence, 0.8) if options.use_quantile else confidence.mean()
    self.time_p = self.time_p * self.m + (1 - self.m) * level
    if options.clip_thresh:
        self.time_p = torch.clip(self.time_p, 0.0, 0.95)
    self.p_model = self.p_model * self.m + (1 - self.m) * probs_x_ulb.mean(dim=0)
    counts = _of_classes(predicted.reshape(-1), len(self.p_model)).sum(0).to(self.p_model.dtype)
    self.label_hist = self.label_hist * self.m + (1 - self.m) * (counts / counts.sum())
    options.p_model, options.label_hist, options.time_p = self.p_model, self.label_hist, self.time_p


class _UnaskedOnTheGPU(ast.NodeTransformer):
    """Writes ``mask.is_cuda or mask.sum() > 0`` for ``mask.sum() > 0``."""

    def visit_If(self, node: ast.If) -> ast.AST:
        if ast.unparse(node.test) == "mask.sum() > 0":
            node.test = expression(f"mask.is_cuda or {ast.unparse(node.test)}", node.test)
        return self.generic_visit(node)


def apply() -> None:
    """Replace the loss and the averages, and rewrite the step around them."""
    original = freematch.entropy_loss

    @functools.wraps(original)
    def of_the_device(mask: Tensor, *rest: Tensor) -> tuple[Tensor, Tensor]:
        loss: tuple[Tensor, Tensor] = (entropy_loss if mask.is_cuda else original)(mask, *rest)
        return loss

    replace(freematch, "entropy_loss", of_the_device)
    # The host's main branch spells the name of 0.3.2 without a letter.
    hooks = getattr(utils, "FreeMatchThresholdingHook", None) or utils.FreeMatchThresholingHook
    replace(hooks, "update", update)
    replace(freematch.FreeMatch, "train_step", rewritten(freematch.FreeMatch.train_step, _UnaskedOnTheGPU()))
