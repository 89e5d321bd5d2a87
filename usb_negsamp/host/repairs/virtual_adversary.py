"""The virtual adversarial direction, found in float32 and on the device (B11).

What is wrong: ``algorithms/vat/vat.py`` ``vat_loss`` probes with a step of 1e-6 of a unit vector, under autocast, goes
through NumPy on the CPU for each normalization, and calls ``backward()`` into every parameter and then
``zero_grad()``. How it shows: under float16 the two passes coincide, the gradient is exactly zero for three images in
four and VAT is off without a word; two copies across the bus a step; any gradient present is erased. How it is
mended: the probe runs in float32 with autocast off and a step of ``XI``, differentiates with respect to the
perturbation alone, and stays on the device. The loss itself, KL(clean || perturbed), is the host's. When it may go:
when the host probes in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from semilearn.algorithms.vat import VAT
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from usb_negsamp.host.patching import replace

XI = 1e-2


def l2_normalized(direction: Tensor) -> Tensor:
    """Each sample of ``direction`` (N, ...) at L2 norm 1; a zero sample stays zero."""
    flat = direction.flatten(1)
    # Scaling by the largest entry first keeps tiny gradients from underflowing when they are squared.
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    return (flat / flat.norm(dim=1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)).view_as(direction)


def vat_loss(
    self: Any,
    model: Any,
    ul_x: Any,
    ul_y: Tensor,
    xi: float = XI,
    eps: float = 6,
    num_iters: int = 1,
    ul_x_embed: Tensor | None = None,
    vat_embed: bool = False,
) -> Tensor:
    """KL(clean || perturbed) at the perturbation of norm ``eps`` that ``num_iters`` power iterations find."""
    perturbed = adversarial_logits(self, model, ul_x, ul_y, xi, eps, num_iters, ul_x_embed, vat_embed)
    return self.kl_div_with_logit(ul_y.detach(), perturbed)


def adversarial_logits(
    algorithm: Any,
    model: Any,
    ul_x: Any,
    ul_y: Tensor,
    xi: float,
    eps: float,
    num_iters: int,
    ul_x_embed: Tensor | None = None,
    vat_embed: bool = False,
) -> Tensor:
    """Logits (N, K), with a gradient, at the perturbation that moves those of ``ul_y`` (N, K) furthest.

    Args:
        algorithm: the host's VAT, whose divergence is maximized.
        model: the outermost module.
        ul_x: unlabeled images, or tokens where ``vat_embed``.
        ul_y: the logits of ``ul_x``.
        xi: length of the probing step.
        eps: L2 norm of the perturbation of a sample.
        num_iters: power iterations; 0 leaves the direction random.
        ul_x_embed: the embedding of the tokens.
        vat_embed: whether the embedding is perturbed.
    """
    clean = ul_x_embed if vat_embed and ul_x_embed is not None else ul_x

    def logits_at(network: Any, perturbation: Tensor, base: Tensor) -> Tensor:
        if vat_embed:
            tokens = {"attention_mask": ul_x["attention_mask"], "inputs_embeds": base + perturbation}
            return network(tokens, return_embed=True)["logits"]
        return network(base + perturbation)["logits"]

    # The probe's gradient is not a parameter's: the reducer of DDP must not see it.
    probe_model = model.module if isinstance(model, DistributedDataParallel) else model
    target = ul_y.detach().float()
    direction = l2_normalized(torch.randn_like(clean, dtype=torch.float32))
    with torch.autocast(device_type=clean.device.type, enabled=False):
        for _ in range(num_iters):
            step = (xi * direction).requires_grad_()
            divergence = algorithm.kl_div_with_logit(target, logits_at(probe_model, step, clean.detach().float()))
            direction = l2_normalized(torch.autograd.grad(divergence, step)[0])
    perturbation = (eps * direction).detach()
    return logits_at(model, perturbation, clean)


def apply() -> None:
    """Replace ``VAT.vat_loss``."""
    replace(VAT, "vat_loss", vat_loss)
