"""VAT as its papers have it: direction, probe, entropy, and pseudo-labels beside it.

The host's ``algorithms/vat/vat.py`` has one form: KL(clean || adversarial), the entropy of the clean logits, one power
iteration. Miyato et al. (2018) agree; Oliver et al. (2018), whose code NS3L builds on, teach with KL(adversarial ||
clean) and take the entropy of the adversarial logits. NS3L's VAT + PL adds the pseudo-label loss of the clean logits,
mean over the batch of 1[max p >= cutoff] * CE(argmax, logits), ramped as the VAT loss is. No option adds a forward
pass. The direction is always searched by KL(clean || perturbed), as in every one of these.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from semilearn.algorithms.vat import VAT
from semilearn.core.hooks import Hook
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.patching import replace
from usb_negsamp.host.wrapping.passes.virtual_adversary import XI, adversarial_logits
from usb_negsamp.key import NOT_NEGATIVE, POSITIVE, SHARE, whole_from_to
from usb_negsamp.settings import Settings, setting

MOST_POWER_ITERATIONS = 1000
"""Each is a forward and a backward pass of every step."""


@dataclass(frozen=True)
class VATSettings(Settings, prefix="vat"):
    """The run's values of the keys ``vat_*`` that are ours; the defaults are the host's."""

    direction: str = setting(
        str,
        "clean_to_adversarial",
        "of the divergence",
        choices=("clean_to_adversarial", "adversarial_to_clean"),
    )
    xi: float = setting(float, XI, "length of the step that probes for the adversarial direction", range=POSITIVE)
    num_iters: int = setting(
        int, 1, "power iterations; 0 is a random direction", range=whole_from_to(0, MOST_POWER_ITERATIONS)
    )
    entropy_on: str = setting(str, "clean", "logits of the entropy term", choices=("clean", "perturbed"))
    pseudo_label_weight: float = setting(
        float, 0.0, "weight of pseudo-labels beside VAT; 0 is none", range=NOT_NEGATIVE
    )
    pseudo_label_cutoff: float = setting(float, 0.95, "probability from which on a pseudo-label counts", range=SHARE)


def settings_of(algorithm: HostAlgorithm) -> VATSettings:
    """The settings of an algorithm, from its arguments."""
    return VATSettings.from_arguments(getattr(algorithm, "args", None))


class VATPseudoLabelHook(Hook):
    """Adds ``weight * ramp * mean_b 1[max p >= cutoff] * CE(argmax, logits)`` of the clean unlabeled logits.

    Registered at priority HIGHEST ahead of the host's update of the weights.

    Args:
        weight: of the term; its ramp is that of the VAT loss, over ``unsup_warm_up``.
        cutoff: the probability from which on a sample counts.
    """

    settings_only = True

    def __init__(self, weight: float, cutoff: float) -> None:
        super().__init__()
        self.weight = weight
        self.cutoff = cutoff
        self.logits: Tensor | None = None

    def after_train_step(self, algorithm: VAT) -> None:
        """Add the term to the step's loss, and its figures to the log."""
        logits, self.logits = self.logits, None
        if logits is None:
            return
        confidence, labels = torch.softmax(logits.detach().float(), dim=-1).max(dim=-1)
        mask = (confidence >= self.cutoff).float()
        loss = algorithm.consistency_loss(logits.float(), labels, "ce", mask=mask)
        ramp = min(1.0, algorithm.it / (algorithm.unsup_warm_up * algorithm.num_train_iter))
        algorithm.out_dict["loss"] = algorithm.out_dict["loss"] + self.weight * ramp * loss
        algorithm.log_dict["train/vat_pseudo_label_loss"] = loss.detach()
        algorithm.log_dict["train/vat_pseudo_label_ratio"] = mask.mean()


def apply() -> None:
    """Replace ``VAT.vat_loss`` and ``entropy_loss``, add the keys, and register the hook where it is asked for."""
    entropy_of_host = VAT.entropy_loss
    get_argument_of_host = VAT.get_argument

    def vat_loss(
        self: Any,
        model: Any,
        ul_x: Any,
        ul_y: Tensor,
        xi: float | None = None,
        eps: float = 6,
        num_iters: int | None = None,
        ul_x_embed: Tensor | None = None,
        vat_embed: bool = False,
    ) -> Tensor:
        """The divergence of clean and adversarial outputs, in the direction that the run asks for."""
        settings = settings_of(self)
        xi = settings.xi if xi is None else xi
        num_iters = settings.num_iters if num_iters is None else num_iters
        target, perturbed = adversarial_logits(self, model, ul_x, ul_y, xi, eps, num_iters, ul_x_embed, vat_embed)
        if settings.entropy_on == "perturbed":
            self.vat_perturbed = perturbed
        if settings.pseudo_label_weight > 0:
            self.hooks_dict["VATPseudoLabelHook"].logits = ul_y
        pair = (perturbed, target) if settings.direction == "adversarial_to_clean" else (target, perturbed)
        divergence: Tensor = self.kl_div_with_logit(*pair)
        return divergence

    @functools.wraps(entropy_of_host)
    def entropy_loss(self: Any, ul_y: Tensor) -> Tensor:
        entropy: Tensor = entropy_of_host(self, vars(self).pop("vat_perturbed", ul_y))
        return entropy

    def set_hooks(self: Any) -> None:
        settings = settings_of(self)
        if settings.pseudo_label_weight > 0:
            hook = VATPseudoLabelHook(settings.pseudo_label_weight, settings.pseudo_label_cutoff)
            self.register_hook(hook, "VATPseudoLabelHook", "HIGHEST")
        super(VAT, self).set_hooks()

    @functools.wraps(get_argument_of_host)
    def get_argument() -> list[Any]:
        return [*get_argument_of_host(), *(host_argument(key) for key in VATSettings.all_keys())]

    replace(VAT, "vat_loss", vat_loss)
    replace(VAT, "entropy_loss", entropy_loss)
    replace(VAT, "set_hooks", set_hooks)
    replace(VAT, "get_argument", staticmethod(get_argument))
