"""Which gradient a step is taken with: that of all losses or, where they disagree, that of the labeled one."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.wrapping.among_processes import share_of

Gradients = list[Tensor]


class _WithGradients(torch.autograd.Function):
    """A value whose gradients are known."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, scale: Tensor, gradients: Gradients, *parameters: Tensor) -> Tensor:
        ctx.gradients, ctx.scale = gradients, scale
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        factor = gradient / ctx.scale
        return (None, None, None, *(own * factor for own in ctx.gradients))


def agreeing_loss(algorithm: HostAlgorithm, labeled: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """``total``, or ``labeled`` where the gradient of the rest points against that of ``labeled``.

    Both gradients are taken here, and handed to the update of the weights as they are: one backward pass more than
    without. The inner product of those of all parameters, averaged over the processes, decides.

    Args:
        algorithm: in a step, ahead of the update of its weights.
        labeled: the labeled loss, a part of ``total``.
        total: the loss of the step.

    Returns:
        the loss, whose gradient is that of ``total`` bit for bit where it is ``total``, and whether it is, a scalar.
    """
    one = torch.ones((), device=total.device)
    # In half precision the gradients of a loss that is not scaled would vanish.
    scale = algorithm.loss_scaler.scale(one) if algorithm.args.amp else one
    parameters = [parameter for parameter in algorithm.model.parameters() if parameter.requires_grad]
    of_labeled = torch.autograd.grad(labeled * scale, parameters, retain_graph=True, allow_unused=True)
    of_total = torch.autograd.grad(total * scale, parameters, allow_unused=True)
    reached: list[nn.Parameter] = []
    pairs: tuple[Gradients, Gradients] = ([], [])
    for parameter, first, second in zip(parameters, of_labeled, of_total, strict=True):
        if second is not None:
            reached.append(parameter)
            pairs[0].append(torch.zeros_like(second) if first is None else first)
            pairs[1].append(second)
    # A gradient that is not finite goes on as it is, so that the loss scaler sees it.
    agrees = ~(inner_product(*pairs, algorithm) < 0)
    chosen = [torch.where(agrees, all_of_it, own) for own, all_of_it in zip(*pairs, strict=True)]
    value = torch.where(agrees, total, labeled).detach()
    return _WithGradients.apply(value, scale, chosen, *reached), agrees  # type: ignore[no-untyped-call]


def inner_product(of_labeled: Gradients, of_total: Gradients, algorithm: HostAlgorithm) -> Tensor:
    """The inner product, a double, of the gradient of the labeled loss and of that of the rest, ``total - labeled``."""
    if share_of(algorithm)[1] > 1:
        of_labeled, of_total = averaged(of_labeled, algorithm), averaged(of_total, algorithm)
    products = [(own * (whole - own)).sum(dtype=torch.float64) for own, whole in zip(of_labeled, of_total, strict=True)]
    return torch.stack(products).sum()


def averaged(gradients: Gradients, algorithm: HostAlgorithm) -> Gradients:
    """The gradients of all processes, averaged; as one vector."""
    joined = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(joined)
    return [joined / share_of(algorithm)[1]]
