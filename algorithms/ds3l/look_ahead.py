"""What the weights of images do to the labeled loss after one step of the network, of DS3L (bi-level, equation 4).

One step of gradient descent on the weighted loss is imagined, and the labeled loss behind it is differentiated with
respect to the network that gives the weights, through the step. With g(phi) the gradient of the loss before the step,
v that of the labeled loss behind it, and eta the rate, the chain rule gives -eta d<g(phi), v>/dphi: v is computed once,
and the step itself needs no graph. So gradients of several processes can be averaged in between, and all is exact.

Passes are in float32, also under autocast: second derivatives in half precision are mostly zeros.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from usb_negsamp.functional import squared_error
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.sync_batch_norm import CPUSyncBatchNorm
from usb_negsamp.host.wrapping.among_processes import network_of, share_of, summed

Tensors = dict[str, Tensor]


class Views(NamedTuple):
    """The images of a step: labeled ones with their labels, and two views of the unlabeled ones."""

    x_lb: Tensor
    y_lb: Tensor
    x_ulb_w: Tensor
    x_ulb_s: Tensor


class _WithoutHooks(nn.Module):
    """Calls a network past what listens to its passes: those that are imagined here are nobody else's."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        # The class's: one of the instance's own may replay what was captured of other parameters.
        logits: Tensor = type(self.network).forward(self.network, images)["logits"]
        return logits


def weight_gradients(
    algorithm: HostAlgorithm, weight_net: nn.Module, views: Views, weight: float, lr: float
) -> tuple[list[Tensor], Tensor]:
    """Gradients of the labeled loss after a step, and that loss.

    Args:
        algorithm: whose network, as it is, would take the step. Its parameters, buffers and gradients stay.
        weight_net: from probabilities (N, K) to weights (N,).
        views: of the step; of this process.
        weight: of the unlabeled loss.
        lr: of the step.

    Returns:
        one gradient a parameter of ``weight_net``, the same on all processes; the labeled loss of this one.
    """
    network = network_of(algorithm.model)
    here = {name: p.detach().requires_grad_() for name, p in network.named_parameters() if p.requires_grad}
    with _twice_differentiable(network, views.x_lb.device):
        logits_of = _passes(network)
        logits = logits_of(here, torch.cat((views.x_lb, views.x_ulb_w)))
        labeled, first = logits[: len(views.x_lb)], logits[len(views.x_lb) :]
        errors = squared_error(logits_of(here, views.x_ulb_s), first)
        weights = weight_net(first.softmax(dim=1))
        mean = _MeanOfAll((weights * errors).sum(), weights.sum(), algorithm)
        loss = F.cross_entropy(labeled, views.y_lb) + weight * mean.local
        gradients = _grad(loss, here, create_graph=True)
        step = _averaged(gradients, algorithm)
        ahead = {name: (p - lr * step[name]).detach().requires_grad_() for name, p in here.items()}
        labeled_loss = F.cross_entropy(logits_of(ahead, views.x_lb), views.y_lb)
        direction = _averaged(_grad(labeled_loss, ahead), algorithm)
        product = torch.stack([(gradients[name] * direction[name]).sum() for name in here]).sum()
        found = mean.gradients(product, list(weight_net.parameters()))
    averaged = _averaged({str(number): gradient for number, gradient in enumerate(found)}, algorithm)
    return [-lr * gradient for gradient in averaged.values()], labeled_loss.detach()


class _MeanOfAll:
    """A weighted mean A / S over the images of all processes, of which A_r and S_r are this one's.

    Its differential is a dA + b dS with a = 1 / S and b = -A / S^2. So ``local``, which is linear in A_r and S_r, has
    the gradient of the mean with respect to what this process contributes. It is scaled as a loss whose gradients are
    averaged over the processes. For second derivatives a and b are leaves, and followed by hand.
    """

    def __init__(self, weighted: Tensor, total: Tensor, algorithm: HostAlgorithm) -> None:
        self.weighted, self.total, self.algorithm = weighted, total, algorithm
        self.count = share_of(algorithm)[1]
        self.sums = summed(torch.stack((weighted, total)).detach(), algorithm)
        divides = self.sums[1] > 0
        self.divides = divides.to(weighted.dtype)
        self.sum = torch.where(divides, self.sums[1], 1.0)
        self.a = (1.0 / self.sum).requires_grad_()
        self.b = (-self.divides * self.sums[0] / self.sum.square()).requires_grad_()
        self.local = self.count * (self.a * weighted + self.b * total)

    def gradients(self, product: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
        """Gradients of ``product``, which was made of first derivatives of ``local``; this process's part."""
        *direct, of_a, of_b = torch.autograd.grad(product, [*parameters, self.a, self.b], retain_graph=True)
        of_a, of_b = summed(torch.stack((of_a, of_b)), self.algorithm) / self.count
        per_total = (2.0 * self.sums[0] * of_b / self.sum - of_a) / self.sum.square()
        per_weighted = -of_b / self.sum.square()
        through = self.count * self.divides * (per_total * self.total + per_weighted * self.weighted)
        indirect = torch.autograd.grad(through, parameters)
        return [one + other for one, other in zip(direct, indirect, strict=True)]


def _passes(network: nn.Module) -> Callable[[Tensors, Tensor], Tensor]:
    """From parameters and images to logits (N, K); running statistics move in a copy."""
    called = _WithoutHooks(network)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}

    def logits_of(parameters: Tensors, images: Tensor) -> Tensor:
        named = {f"network.{name}": tensor for name, tensor in {**buffers, **parameters}.items()}
        logits: Tensor = functional_call(called, named, (images,))
        return logits

    return logits_of


def _grad(loss: Tensor, of: Tensors, create_graph: bool = False) -> Tensors:
    found = torch.autograd.grad(loss, list(of.values()), create_graph=create_graph, materialize_grads=True)
    return dict(zip(of, found, strict=True))


def _averaged(tensors: Tensors, algorithm: HostAlgorithm) -> Tensors:
    """Their values, averaged over the processes."""
    count = share_of(algorithm)[1]
    if count == 1:
        return {name: tensor.detach() for name, tensor in tensors.items()}
    together = torch.cat([tensor.detach().flatten() for tensor in tensors.values()])
    parts = torch.split(summed(together, algorithm) / count, [tensor.numel() for tensor in tensors.values()])
    return {name: part.view_as(tensor) for (name, tensor), part in zip(tensors.items(), parts, strict=True)}


@contextmanager
def _twice_differentiable(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Inside the block layers compute by what PyTorch has second derivatives of, and in float32.

    It has none of its fast attention and of its batch norm over several GPUs.
    """
    synchronized: list[Any] = [layer for layer in network.modules() if isinstance(layer, nn.SyncBatchNorm)]
    for layer in synchronized:
        vars(layer)["forward"] = functools.partial(CPUSyncBatchNorm.forward, layer)
    try:
        with torch.autocast(device.type, enabled=False), sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
            yield
    finally:
        for layer in synchronized:
            del vars(layer)["forward"]
