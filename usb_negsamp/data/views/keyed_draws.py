"""The random draws of a batch's samples, each from generators that start from the sample's own key.

A sample's draws are those that Python's, NumPy's and PyTorch's global generators would give it, had each been seeded by
its key just before; no other sample has a part in them, and the global generators are left alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

FEWEST_WORDS = 8
MASK_OF_FLOAT = (1 << 24) - 1
"""PyTorch makes a float32 between 0 and 1 of the lower 24 bits of one word."""


class KeyedDraws:
    """The draws of N samples, taken for all of them at once.

    PyTorch's generator on the CPU gives words of 32 bits; a whole number or a uniform number takes one of them. The
    words are drawn a few at a time for each sample, and what is drawn of them is computed for the batch.

    Args:
        keys: (N,) one seed a sample, not negative, below 2 ** 63.
    """

    def __init__(self, keys: Sequence[int]) -> None:
        self.keys = keys
        self.generator = torch.Generator()
        self.states: list[Tensor] = []
        self.words = np.empty((len(keys), 0), dtype=np.uint32)
        self.taken = 0
        self.of_python: list[random.Random] = []
        self.words_of_numpy = np.random.MT19937(0)
        self.of_numpy = np.random.RandomState(self.words_of_numpy)
        self.taken_of_numpy = [0] * len(keys)

    def __len__(self) -> int:
        return len(self.keys)

    def whole_numbers(self, largest: int) -> np.ndarray:
        """The next (N,) of ``torch.randint(largest + 1, (1,))``: int64 from 0 to ``largest``, below 2 ** 28 - 1."""
        return self._next_word().astype(np.int64) % (largest + 1)

    def coins(self) -> np.ndarray:
        """The next (N,) of ``torch.rand(1) < 0.5``."""
        return (self._next_word() & MASK_OF_FLOAT) < (1 << 23)

    def normal(self, shape: Sequence[int]) -> Tensor:
        """The next (N, *shape) of ``torch.randn(shape)``, float32."""
        drawn = torch.empty((len(self.keys), *shape))
        states = []
        for number in range(len(self.keys)):
            self._start(number)
            torch.empty(self.taken).uniform_(generator=self.generator)
            drawn[number].normal_(generator=self.generator)
            states.append(self.generator.get_state())
        self.states, self.taken = states, 0
        self.words = np.empty((len(self.keys), 0), dtype=np.uint32)
        return drawn

    def python(self) -> list[random.Random]:
        """A generator a sample, which goes on where ``random`` would be."""
        if not self.of_python:
            self.of_python = [random.Random(key) for key in self.keys]
        return self.of_python

    def uniform(self, number: int, low: float) -> float:
        """The next of ``numpy.random.uniform(low)`` of one sample."""
        return self.uniforms(number, (low,))[0]

    def uniforms(self, number: int, lows: Sequence[float]) -> list[float]:
        """The next of ``numpy.random.uniform(low)`` of one sample, for each of ``lows``, sooner than one by one."""
        of_numpy = self._numpy(number, 2 * len(lows))
        return [float(of_numpy.uniform(low)) for low in lows]

    def quarters(self) -> np.ndarray:
        """The next (N,) of ``numpy.random.choice(4)``, int64."""
        return np.array([self._numpy(number, 1).randint(4) for number in range(len(self.keys))], dtype=np.int64)

    def _numpy(self, number: int, words: int) -> np.random.RandomState:
        """NumPy's generator where one sample's would be, from which a draw of so many words is to be taken."""
        # Seeding one generator anew is far cheaper than making one a sample.
        self.of_numpy.seed(self.keys[number] & 0xFFFFFFFF)
        if self.taken_of_numpy[number]:
            self.words_of_numpy.random_raw(self.taken_of_numpy[number], output=False)
        self.taken_of_numpy[number] += words
        return self.of_numpy

    def _next_word(self) -> np.ndarray:
        if self.taken == self.words.shape[1]:
            self._draw_words(max(FEWEST_WORDS, 2 * self.taken))
        self.taken += 1
        word: np.ndarray = self.words[:, self.taken - 1]
        return word

    def _draw_words(self, number_of_words: int) -> None:
        """The first words of every sample since its key, or since its latest normal numbers."""
        pairs = torch.empty((len(self.keys), number_of_words // 2), dtype=torch.int64)
        for number, pair in enumerate(pairs):
            self._start(number)
            # The whole range of an int64 takes two words, the first as its upper half.
            pair.random_(-(2**63), None, generator=self.generator)
        values = pairs.numpy().view(np.uint64)
        self.words = np.stack([values >> np.uint64(32), values & np.uint64(0xFFFFFFFF)], axis=-1)
        self.words = self.words.astype(np.uint32).reshape(len(self.keys), -1)

    def _start(self, number: int) -> None:
        if self.states:
            self.generator.set_state(self.states[number])
        else:
            self.generator.manual_seed(self.keys[number])
