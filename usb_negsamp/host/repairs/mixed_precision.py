"""Autocast and loss scaling on the selected device (V11).

What is wrong: ``core/algorithmbase.py`` uses ``torch.cuda.amp``, deprecated and bound to CUDA. How it shows: warnings;
on the CPU ``amp: True`` does nothing. How it is mended: ``torch.autocast`` of the selected device (float16 on a GPU,
bfloat16 on the CPU, PyTorch's defaults), a loss scaler on the GPU alone. A checkpoint written on the CPU holds an
empty scaler state; loading it on a GPU is mended in ``checkpoints``. When it may go: when the host uses ``torch.amp``.
"""

from __future__ import annotations

from typing import Any

import torch
from semilearn.core import algorithmbase
from torch.amp.grad_scaler import GradScaler

from usb_negsamp.host import device
from usb_negsamp.host.patching import replace


def _loss_scaler(*args: Any, **kwargs: Any) -> GradScaler:
    kind = device.selected().type
    return GradScaler(kind, enabled=kind == "cuda")


def _autocast(*args: Any, **kwargs: Any) -> torch.autocast:
    return torch.autocast(device.selected().type)


def apply() -> None:
    """Replace the two names that ``AlgorithmBase`` looks up."""
    replace(algorithmbase, "GradScaler", _loss_scaler)
    replace(algorithmbase, "autocast", _autocast)
