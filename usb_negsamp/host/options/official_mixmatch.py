"""MixMatch as its authors published it: ``mixmatch_official: true`` (Berthelot et al., NeurIPS 2019, and their code).

The host's ``algorithms/mixmatch/mixmatch.py`` draws one lambda a batch, passes the mixed labeled batch apart from the
mixed unlabeled ones, and leaves weight decay to the optimizer. The authors draw a lambda an example, interleave the
mixed batches so that each pass normalizes by all of them, let the first of these passes alone move the running
statistics, and shorten the kernels by a share of the learning rate after each step. The two losses, their weight and
their ramp are the same in both, and so are the host's keys for them. ``docs/mixmatch.md`` has the table.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from semilearn.algorithms.mixmatch import MixMatch
from semilearn.core.hooks import Hook
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from usb_negsamp.errors import expected
from usb_negsamp.functional.mixup import interleave, mixing_weights, sharpen
from usb_negsamp.functional.mixup import mixup as mixup  # :mod:`mixed_classes` wraps it here
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.own_arguments import host_argument
from usb_negsamp.host.patching import replace
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.wrapper import frozen_running_statistics
from usb_negsamp.key import NOT_NEGATIVE
from usb_negsamp.settings import Settings, setting

KERNEL_DECAY = 0.02
HOOK_NAME = "KernelDecayHook"


@dataclass(frozen=True)
class MixMatchSettings(Settings, prefix="mixmatch"):
    """The run's values of the keys ``mixmatch_*``; the defaults are the host's."""

    official: bool = setting(
        bool,
        False,
        "MixMatch as published instead of the host's, with a lambda an example, interleaved batches and decay of the "
        "kernels",
    )
    kernel_decay: float = setting(
        float,
        KERNEL_DECAY,
        "with mixmatch_official, after each step kernels are multiplied by 1 - mixmatch_kernel_decay * lr",
        range=NOT_NEGATIVE,
    )

    @classmethod
    def from_arguments(cls, args: Any) -> MixMatchSettings:
        """The settings in a run's arguments.

        Raises:
            ConfigError: a negative decay, or a key that MixMatch as published cannot obey.
        """
        settings = cls(**cls.values_of(args))
        if not settings.official:
            return settings
        if args.mixup_manifold:
            raise expected("mixup_manifold", "false with mixmatch_official, which mixes images", "true")
        bn_update = getattr(args, "bn_update", "host")
        if bn_update in ("labeled", "joint"):
            raise expected(
                "bn_update",
                "host or all with mixmatch_official, whose mixed passes carry no batch as it was drawn",
                repr(bn_update),
            )
        return settings


def kernels_of(model: nn.Module) -> list[nn.Parameter]:
    """The weights of ``model``'s convolutions and linear layers: no bias, and nothing of a normalization."""
    kernels = []
    for layer in model.modules():
        if not isinstance(layer, (_ConvNd, nn.Linear)):
            continue
        weight: Any = layer.weight
        if parametrize.is_parametrized(layer, "weight"):
            parametrized: Any = layer.parametrizations
            # Weight norm keeps a length and a direction: what shortens the length shortens the kernel.
            weight = getattr(parametrized["weight"], "original0", getattr(parametrized["weight"], "original", None))
        if isinstance(weight, nn.Parameter):
            kernels.append(weight)
    return kernels


class KernelDecayHook(Hook):
    """Multiplies every kernel by ``1 - decay * lr`` after each step that the optimizer takes.

    Listens to the optimizer itself: a step that the loss scaler skips shortens nothing, and the learning rate is the
    one that the step was taken with. Runs ahead of the average of the weights.

    Args:
        decay: share of the learning rate; the authors' 0.02.
    """

    settings_only = True

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.optimizer: torch.optim.Optimizer | None = None
        self.handle: Any = None
        self.kernels: set[nn.Parameter] = set()

    def before_train_step(self, algorithm: HostAlgorithm) -> None:
        """Listen to the optimizer, which CReST builds anew in each generation."""
        if algorithm.optimizer is self.optimizer:
            return
        if self.handle is not None:
            self.handle.remove()
        self.optimizer = algorithm.optimizer
        self.kernels = set(kernels_of(algorithm.model))
        self.handle = algorithm.optimizer.register_step_post_hook(self.decay_kernels)

    @torch.no_grad()
    def decay_kernels(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        """Shorten the kernels that ``optimizer`` trains."""
        for group in optimizer.param_groups:
            kernels = [weight for weight in group["params"] if weight in self.kernels and weight.requires_grad]
            if kernels:
                torch._foreach_mul_(kernels, 1.0 - self.decay * group["lr"])


def guessed_labels(algorithm: MixMatch, views: tuple[Tensor, ...]) -> tuple[Tensor, list[Tensor]]:
    """Sharpened mean (N, K) of the probabilities of the same images' views (eq. 6, 7), and each view's features.

    The passes normalize by their own batch and leave the running statistics alone.
    """
    with torch.no_grad(), frozen_running_statistics(algorithm):
        outputs = [algorithm.model(view) for view in views]
        probs = [algorithm.compute_prob(output["logits"].float()) for output in outputs]
        return sharpen(torch.stack(probs).mean(0), algorithm.T), [output["feat"] for output in outputs]


def draw_mixing(num_samples: int, alpha: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which row each row is mixed with, a shuffle of them all, and the row's own weight; (N,) each, on ``device``.

    Both are drawn on the host, so that a seed gives the same on every device, and sent without waiting for it.
    """
    return on_device(torch.randperm(num_samples), device), mixing_weights(num_samples, alpha, device)


def interleaved_logits(algorithm: HostAlgorithm, images: Tensor, batch_size: int) -> Tensor:
    """Float32 logits of ``images`` in their order, passed in interleaved batches of ``batch_size``.

    The first pass alone, an equal share of every batch, moves the running statistics.
    """
    num_batches = len(images) // batch_size
    first, *others = torch.split(interleave(images, num_batches), batch_size)
    logits = [algorithm.model(first)["logits"]]
    with frozen_running_statistics(algorithm):
        logits += [algorithm.model(batch)["logits"] for batch in others]
    return interleave(torch.cat(logits).float(), num_batches)


def official_step(
    algorithm: MixMatch, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
) -> tuple[dict[str, Any], dict[str, Any]]:
    """One step of MixMatch (paper, Algorithm 1, eq. 2 to 5); the host's ``x_ulb_s`` is a second weak view."""
    num_lb = len(y_lb)
    with algorithm.amp_cm():
        guess, (feat_w, feat_s) = guessed_labels(algorithm, (x_ulb_w, x_ulb_s))
        features = {"x_ulb_w": feat_w, "x_ulb_s": feat_s}
        if getattr(algorithm.args, "imb_algorithm", None) is not None:
            # The host's algorithms for imbalanced data train a second classifier on the features of plain images.
            with frozen_running_statistics(algorithm):
                features["x_lb"] = algorithm.model(x_lb)["feat"]

        images = torch.cat([x_lb, x_ulb_w, x_ulb_s])
        labels = torch.cat([F.one_hot(y_lb, algorithm.num_classes).to(guess.dtype), guess, guess])
        partners, weights = draw_mixing(len(images), algorithm.mixup_alpha, images.device)
        labels = mixup(labels, partners, weights)
        logits = interleaved_logits(algorithm, mixup(images, partners, weights), num_lb)

        sup_loss = algorithm.ce_loss(logits[:num_lb], labels[:num_lb], reduction="mean")
        unsup_loss = algorithm.consistency_loss(logits[num_lb:], labels[num_lb:], name="mse")
        ramp = min(1.0, algorithm.it / (algorithm.unsup_warm_up * algorithm.num_train_iter))
        total_loss = sup_loss + algorithm.lambda_u * ramp * unsup_loss
    figures = {"sup_loss": sup_loss, "unsup_loss": unsup_loss, "total_loss": total_loss}
    log_dict = algorithm.process_log_dict(**{name: figure.detach() for name, figure in figures.items()})
    return algorithm.process_out_dict(loss=total_loss, feat=features), log_dict


def apply() -> None:
    """Give ``MixMatch`` the other step where a run asks for it, the hook that decays its kernels, and the keys."""
    init_of_host = MixMatch.__init__
    step_of_host = MixMatch.train_step
    get_argument_of_host = MixMatch.get_argument

    @functools.wraps(init_of_host)
    def init(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        # Before any data are read.
        MixMatchSettings.from_arguments(args)
        init_of_host(self, args, *rest, **kwargs)

    # The host looks up by these names what a step takes from the batch.
    @functools.wraps(step_of_host)
    def train_step(
        self: Any, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        step = official_step if MixMatchSettings.from_arguments(self.args).official else step_of_host
        return step(self, x_lb, y_lb, x_ulb_w, x_ulb_s)

    def set_hooks(self: Any) -> None:
        settings = MixMatchSettings.from_arguments(self.args)
        if settings.official and settings.kernel_decay > 0:
            self.register_hook(KernelDecayHook(settings.kernel_decay), HOOK_NAME, "VERY_HIGH")
        super(MixMatch, self).set_hooks()

    @functools.wraps(get_argument_of_host)
    def get_argument() -> list[Any]:
        return [*get_argument_of_host(), *(host_argument(key) for key in MixMatchSettings.all_keys())]

    replace(MixMatch, "__init__", init)
    replace(MixMatch, "train_step", train_step)
    replace(MixMatch, "set_hooks", set_hooks)
    replace(MixMatch, "get_argument", staticmethod(get_argument))
