"""Draws that leave no trace: a stretch of code with random generators of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def keyed_randomness(key: int) -> Iterator[None]:
    """Inside the block Python's, NumPy's and PyTorch's generators start from ``key``; afterwards they are as before.

    >>> torch.manual_seed(0) and None
    >>> with keyed_randomness(5):
    ...     inside = torch.rand(1)
    >>> with keyed_randomness(5):
    ...     print(torch.equal(torch.rand(1), inside))
    True
    >>> torch.initial_seed(), torch.equal(torch.rand(1), torch.rand(1, generator=torch.Generator().manual_seed(0)))
    (0, True)
    """
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    # Seeding CUDA before it is initialized would be done again, out of place, when it is.
    on_cuda = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda_states = torch.cuda.get_rng_state_all() if on_cuda else []
    random.seed(key)
    np.random.seed(key & 0xFFFFFFFF)
    torch.default_generator.manual_seed(key)
    if on_cuda:
        torch.cuda.manual_seed_all(key)
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        if on_cuda:
            torch.cuda.set_rng_state_all(cuda_states)


_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """A 63-bit number that depends on every one of ``numbers`` and their order (splitmix64)."""
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1
