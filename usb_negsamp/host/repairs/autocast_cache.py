"""Averaged weights under mixed precision: autocast forgets the half-precision copies of the weights it has cast.

What is wrong: autocast keeps the half-precision copy of each weight that it has cast, by its tensor, until its block
ends. ``core/utils/misc.py`` ``EMA.apply_shadow`` puts other values into the same tensors inside that block. How it
shows: with ``amp: True`` the teacher of Mean Teacher and SimMatch computes with the student's weights, in silence;
only what autocast does not cast, as batch norms, is averaged. How it is mended: ``apply_shadow`` and ``restore`` end
by clearing these copies, so that the next pass casts the weights that are there. When it may go: when the host's do.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from semilearn.core.utils import misc

from usb_negsamp.host.patching import replace


def _clearing(method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def changes_weights(self: Any, *args: Any, **kwargs: Any) -> None:
        method(self, *args, **kwargs)
        torch.clear_autocast_cache()

    return changes_weights


def apply() -> None:
    """Wrap the two methods of the ``EMA`` that is in use."""
    for name in ("apply_shadow", "restore"):
        replace(misc.EMA, name, _clearing(getattr(misc.EMA, name)))
