"""In which half precision a step under ``amp: true`` computes: ``amp_dtype: float16 | bfloat16``.

bfloat16 has float32's range, so that no loss is scaled; float16 has three more bits of a mantissa, and gradients that
are too small for it unless the loss is scaled. Without the key each device has PyTorch's own choice, float16 on a GPU
and bfloat16 on the CPU. Weights, their averages, losses, the optimizer and evaluations are in float32 either way.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from semilearn.core import AlgorithmBase
from torch.amp.grad_scaler import GradScaler

from usb_negsamp.errors import unknown
from usb_negsamp.host import device
from usb_negsamp.host.patching import replace

DTYPES: dict[str, torch.dtype] = {"float16": torch.float16, "bfloat16": torch.bfloat16}


def apply() -> None:
    """Wrap ``AlgorithmBase.__init__``, which chooses autocast and loss scaler."""
    original = AlgorithmBase.__init__

    @functools.wraps(original)
    def __init__(self: Any, args: Any, *more: Any, **options: Any) -> None:
        original(self, args, *more, **options)
        name = getattr(args, "amp_dtype", None)
        if name is None or not self.use_amp:
            return
        if name not in DTYPES:
            raise unknown("amp_dtype", name, DTYPES)
        kind = device.selected().type
        self.amp_cm = functools.partial(torch.autocast, kind, dtype=DTYPES[name])
        self.loss_scaler = GradScaler(kind, enabled=DTYPES[name] == torch.float16)

    replace(AlgorithmBase, "__init__", __init__)
