"""Seeds, and whether the same seed gives the same numbers."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch, as the host's launcher does, with the same number in every process."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@contextmanager
def determinism(wanted: bool | None, device_type: str) -> Iterator[None]:
    """Choose kernels for the length of the block.

    The host sets cuDNN's ``deterministic`` and ``benchmark`` both, which is neither: here it is one or the other.

    Args:
        wanted: the key ``deterministic``; None: true on CPU, false on a GPU.
        device_type: ``"cpu"`` or ``"cuda"``.
    """
    import torch

    exact = device_type == "cpu" if wanted is None else wanted
    cudnn: Any = torch.backends.cudnn
    filling: Any = torch.utils.deterministic
    before = (
        cudnn.deterministic,
        cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        filling.fill_uninitialized_memory,
    )
    cudnn.deterministic, cudnn.benchmark = exact, not exact
    if exact:
        if device_type == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        filling.fill_uninitialized_memory = False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before[:2]
        torch.use_deterministic_algorithms(before[2], warn_only=before[3])
        filling.fill_uninitialized_memory = before[4]
