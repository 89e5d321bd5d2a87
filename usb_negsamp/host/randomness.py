"""Draws that leave no trace: a stretch of code with random generators of its own."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class GeneratorStates(NamedTuple):
    """States of Python's, NumPy's and PyTorch's generators; those of the GPUs are None until CUDA is initialized."""

    python: Any
    numpy: Any
    torch: Tensor
    cuda: list[Tensor] | None

    def restore(self) -> None:
        """Let the generators go on from here."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch)
        if self.cuda is not None:
            torch.cuda.set_rng_state_all(self.cuda)


def generator_states() -> GeneratorStates:
    """The states of all generators as they are.

    >>> states = generator_states()
    >>> first = torch.rand(1)
    >>> states.restore()
    >>> torch.equal(torch.rand(1), first)
    True
    """
    # Seeding CUDA before it is initialized would be done again, out of place, when it is.
    on_cuda = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if on_cuda else None
    return GeneratorStates(random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda)


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
    before = generator_states()
    random.seed(key)
    np.random.seed(key & 0xFFFFFFFF)
    torch.default_generator.manual_seed(key)
    if before.cuda is not None:
        torch.cuda.manual_seed_all(key)
    try:
        yield
    finally:
        before.restore()


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
