"""SimMatch under mixed precision on the CPU.

What is wrong: ``algorithms/simmatch/simmatch.py`` adds what ``softmax`` gives to float32 zeros, and writes what
``l2norm`` gives into a float32 bank. CUDA's autocast computes both in float32, the CPU's in bfloat16. How it shows:
``--device cpu --amp True`` ends in its first step, "scatter(): Expected self.dtype to be equal to src.dtype". How it is
mended: both are given float32, on every device. When it may go: when the host converts what it keeps.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

import torch.nn.functional as F
from semilearn.algorithms.simmatch import simmatch
from torch import Tensor

from usb_negsamp.host.patching import replace


def apply() -> None:
    """Replace the softmax that the module looks up, and wrap ``SimMatch_Net.l2norm``."""

    def softmax(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return F.softmax(input.float(), *args, **kwargs)

    in_float32 = ModuleType(F.__name__, F.__doc__)
    vars(in_float32).update({**vars(F), "softmax": softmax})
    replace(simmatch, "F", in_float32)

    original = simmatch.SimMatch_Net.l2norm

    @functools.wraps(original)
    def l2norm(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        normalized: Tensor = original(self, x.float(), *args, **kwargs)
        return normalized

    replace(simmatch.SimMatch_Net, "l2norm", l2norm)
