"""Which two classes MixMatch mixed into each label, for a loss that spares them.

Both forms of MixMatch keep their partners to themselves, and a sharpened label is nowhere exactly zero, so that the
mixed label does not tell its two parts. While somebody listens, the likeliest class of each label is mixed along with
the labels, by the same partners and weights: where that is more than zero stand the two classes. No number of the run
changes, and nothing is computed while nobody listens.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.options import official_mixmatch
from usb_negsamp.host.patching import replace

_listening = False
_heard: Tensor | None = None


def listen() -> None:
    """Keep the classes of the next labels that are mixed in this process."""
    global _listening, _heard
    _listening, _heard = True, None


def heard() -> Tensor:
    """Classes (N, K), bool, that went into the labels mixed since :func:`listen`: one or two a row.

    A partner of weight 0 (nothing is mixed) does not count.

    Raises:
        ConfigError: no labels were mixed.
    """
    global _listening, _heard
    classes, _listening, _heard = _heard, False, None
    if classes is None:
        raise ConfigError(
            "expected labels that are mixed by the host's mixup_one_target, or as mixmatch_official does, but none were"
        )
    return classes


def likeliest(labels: Tensor) -> Tensor:
    """One-hot (N, K) of the likeliest class of ``labels`` (N, K), in their dtype."""
    return F.one_hot(labels.argmax(1), labels.shape[1]).to(labels.dtype)


def _keep(classes: Tensor) -> None:
    global _listening, _heard
    _listening, _heard = False, classes > 0


def apply() -> None:
    """Wrap what mixes the labels in the host's MixMatch and in the published one."""
    # The package of the same name holds the class alone.
    host_mixmatch = importlib.import_module("semilearn.algorithms.mixmatch.mixmatch")
    mixup_of_host = host_mixmatch.mixup_one_target
    mixup_of_authors = official_mixmatch.mixup

    @functools.wraps(mixup_of_host)
    def mixup_one_target(x: Tensor, y: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor, float]:
        if not _listening:
            mixed: tuple[Tensor, Tensor, float] = mixup_of_host(x, y, *args, **kwargs)
            return mixed
        mixed_x, both, weight = mixup_of_host(x, torch.cat([y, likeliest(y)], dim=1), *args, **kwargs)
        mixed_y, classes = both.split(y.shape[1], dim=1)
        _keep(classes)
        return mixed_x, mixed_y.contiguous(), weight

    @functools.wraps(mixup_of_authors)
    def mixup(values: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
        # The labels come first; the images have more than two dimensions.
        if _listening and values.dim() == 2:
            _keep(mixup_of_authors(likeliest(values), partners, weights))
        return mixup_of_authors(values, partners, weights)

    replace(host_mixmatch, "mixup_one_target", mixup_one_target)
    replace(official_mixmatch, "mixup", mixup)
