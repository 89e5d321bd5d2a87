"""The perturbation that moves an output furthest (Miyato et al., VAT), on the device and safe in half precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from usb_negsamp.host.wrapping.among_processes import drawn_together

if TYPE_CHECKING:
    from semilearn.algorithms.vat import VAT

XI = 1e-2


def l2_normalized(direction: Tensor) -> Tensor:
    """Each sample of ``direction`` (N, ...) at L2 norm 1; a zero sample stays zero."""
    flat = direction.flatten(1)
    # Scaling by the largest entry first keeps tiny gradients from underflowing when they are squared.
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(torch.finfo(flat.dtype).tiny)
    norms: Tensor = flat.norm(dim=1, keepdim=True)
    return (flat / norms.clamp_min(torch.finfo(flat.dtype).tiny)).view_as(direction)


def noise_of(device: torch.device) -> Tensor:
    """State of the generator that dropout and noise on ``device`` are drawn from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def set_noise(state: Tensor, device: torch.device) -> None:
    """Let the next pass on ``device`` draw as from ``state``."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


def _normal_like(rows: Tensor) -> Tensor:
    return torch.randn_like(rows, dtype=torch.float32)


def adversarial_logits(
    algorithm: VAT,
    model: Any,
    ul_x: Any,
    ul_y: Tensor,
    xi: float,
    eps: float,
    num_iters: int,
    ul_x_embed: Tensor | None = None,
    vat_embed: bool = False,
) -> tuple[Tensor, Tensor]:
    """Clean logits (N, K), and those at the perturbation that moves them furthest, with a gradient.

    The clean ones are ``ul_y`` without its gradient. Of a network that draws random numbers in a pass (dropout, noise)
    they are made anew, from the draws of the other passes.

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
    device = clean.device

    def logits_at(network: Any, perturbation: Tensor, base: Tensor) -> Tensor:
        set_noise(noise, device)
        if vat_embed:
            tokens = {"attention_mask": ul_x["attention_mask"], "inputs_embeds": base + perturbation}
            outputs = network(tokens, return_embed=True)
        else:
            outputs = network(base + perturbation)
        logits: Tensor = outputs["logits"]
        return logits

    # The probe's gradient is not a parameter's: the reducer of DDP must not see it.
    probe_model = model.module if isinstance(model, DistributedDataParallel) else model
    probe_base = clean.detach().float()
    direction = l2_normalized(drawn_together(_normal_like, clean, algorithm))
    noise = noise_of(device)

    def target_after_a_pass(base: Tensor) -> Tensor:
        if torch.equal(noise_of(device), noise):
            return ul_y.detach()
        with torch.no_grad():
            return logits_at(probe_model, torch.zeros_like(base), base)

    target: Tensor | None = None
    with torch.autocast(device_type=device.type, enabled=False):
        for _ in range(num_iters):
            step = (xi * direction).requires_grad_()
            probed = logits_at(probe_model, step, probe_base)
            target = target_after_a_pass(probe_base) if target is None else target
            divergence = algorithm.kl_div_with_logit(target.float(), probed)
            direction = l2_normalized(torch.autograd.grad(divergence, step)[0])
    perturbed = logits_at(model, (eps * direction).detach(), clean)
    if target is None or target.dtype != perturbed.dtype:
        # The same draws drop other units where autocast made the pass in another precision.
        target = target_after_a_pass(clean)
    return target, perturbed
