"""The labeled loss on images that are mixed with others of the step (Huang et al., Fix-A-Step, section 3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, one_hot

from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import sharpen
from usb_negsamp.host.randomness import mix
from usb_negsamp.host.transfer import on_device
from usb_negsamp.host.wrapping.among_processes import gathered, share_of
from usb_negsamp.host.wrapping.iteration import step_number
from usb_negsamp.host.wrapping.wrapper import Wrapper

VIEWS = ("x_ulb_w", "x_ulb_w_1")
_STREAM = 0xF1A


def drawn_mixing(algorithm: Wrapper, size: int, alpha: float) -> tuple[float, np.ndarray]:
    """The step's mixing weight max(lambda, 1 - lambda), lambda from Beta(alpha, alpha), and an order of ``size`` rows.

    They follow from the seed and the step's number, and are the same in all processes.
    """
    draws = np.random.default_rng(mix(algorithm.seed_of_draws, step_number(algorithm), _STREAM))
    weight = float(draws.beta(alpha, alpha))
    return max(weight, 1.0 - weight), draws.permutation(size)


@torch.no_grad()
def guessed_labels(algorithm: Wrapper, views: list[Tensor], temperature: float) -> Tensor:
    """The sharpened mean (N, K) of the probabilities of two views of the same N images, from a pass of each."""
    probs = [algorithm.logits_of_images(view).float().softmax(1) for view in views]
    return sharpen(torch.stack(probs).mean(0), temperature)


def mixed_losses(algorithm: Wrapper, alpha: float, temperature: float) -> Tensor:
    """The cross-entropy (B,) of each of the step's B labeled images, mixed, with its mixed label.

    Partners are all the labeled images and two weak views of as many unlabeled ones, with guessed labels; of several
    processes, those of all of them, as in one. No pass that is taken for it moves running statistics.

    Raises:
        ConfigError: the inputs are no images, which cannot be mixed.
    """
    images, labels = algorithm.batch["x_lb"], algorithm.batch["y_lb"]
    if not isinstance(images, Tensor):
        raise ConfigError("fixastep_mix: expected false for inputs that are no images, but got true")
    views = [algorithm.batch[view][: len(images)] for view in VIEWS]
    guesses = guessed_labels(algorithm, views, temperature)
    own = one_hot(labels, guesses.shape[1]).to(guesses.dtype)
    everything = torch.cat([gathered(part, algorithm) for part in (images, *views)])
    targets = torch.cat([gathered(part, algorithm) for part in (own, guesses, guesses)])
    weight, order = drawn_mixing(algorithm, len(everything), alpha)
    rank, count = share_of(algorithm)
    # The labeled images come first, those of the processes in turn.
    partners = on_device(torch.from_numpy(order[: len(images) * count][rank::count].copy()), images.device)
    logits = algorithm.logits_of_images(torch.lerp(everything[partners], images, weight))
    return -(torch.lerp(targets[partners], own, weight) * log_softmax(logits.float(), dim=1)).sum(1)
