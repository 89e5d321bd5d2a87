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
_STEP = 0x9E3779B97F4A7C15
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST_SHIFT = 31


def mix(*numbers: int) -> int:
    """A 63-bit number that depends on every one of ``numbers`` and their order (splitmix64)."""
    return _state_after(numbers) >> 1


def mix_with_each(*numbers: int, each: np.ndarray) -> np.ndarray:
    """``mix(*numbers, one)`` of every one of ``each``, whole numbers that are not negative; (N,) uint64."""
    state: np.ndarray = each.astype(np.uint64) ^ np.uint64(_state_after(numbers))
    state += np.uint64(_STEP)
    for shift, factor in _ROUNDS:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    state ^= state >> np.uint64(_LAST_SHIFT)
    state >>= np.uint64(1)
    return state


def _state_after(numbers: tuple[int, ...]) -> int:
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + _STEP & _MASK
        for shift, factor in _ROUNDS:
            state = (state ^ (state >> shift)) * factor & _MASK
        state ^= state >> _LAST_SHIFT
    return state
