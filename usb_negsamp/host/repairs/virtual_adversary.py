"""The virtual adversarial direction, found in float32, on the device and under one dropout (B11).

What is wrong: ``algorithms/vat/vat.py`` ``vat_loss`` probes with a step of 1e-6 of a unit vector, under autocast, goes
through NumPy on the CPU for each normalization, and calls ``backward()`` into every parameter and then
``zero_grad()``; each pass drops other units. How it shows: under float16 the two passes coincide, the gradient is
exactly zero for three images in four and VAT is off without a word; two copies across the bus a step; any gradient
present is erased; with dropout the direction follows the noise and is hardly adversarial. How it is mended: the probe
runs in float32 with autocast off and a step of ``XI``, differentiates with respect to the perturbation alone, and
stays on the device; the passes of a step drop the same units, for which a network that draws random numbers makes the
clean pass once more. The loss itself, KL(clean || perturbed), is the host's. When it may go: when the host does so.
"""

from __future__ import annotations

from typing import Any

from semilearn.algorithms.vat import VAT
from torch import Tensor

from usb_negsamp.host.patching import replace
from usb_negsamp.host.wrapping.passes.virtual_adversary import XI, adversarial_logits


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
    target, perturbed = adversarial_logits(self, model, ul_x, ul_y, xi, eps, num_iters, ul_x_embed, vat_embed)
    divergence: Tensor = self.kl_div_with_logit(target, perturbed)
    return divergence


def apply() -> None:
    """Replace ``VAT.vat_loss``."""
    replace(VAT, "vat_loss", vat_loss)
