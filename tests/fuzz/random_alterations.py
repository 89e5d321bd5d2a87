"""Checkpoints altered at random: in their bytes, or in an entry at any depth."""

from __future__ import annotations

import copy
import io
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

OTHERS: tuple[Any, ...] = (
    *(None, True, -1, 0, 3, 2**70, 0.5, float("nan"), float("inf"), "", "abc", [], [1], {}, {"a": 1}, (), (1, 2)),
    *(torch.zeros(()), torch.zeros(3), torch.zeros(2, 2, dtype=torch.bool), torch.zeros(0), torch.arange(5)),
    *(torch.zeros(3).to_sparse(), torch.zeros(3, dtype=torch.complex64), torch.zeros(3, device="meta")),
)
"""What may come in the place of an entry."""


class Altered:
    """Makes altered copies of a checkpoint, the same ones from the same seed.

    Args:
        path: of the checkpoint.
        seed: of the draws.
    """

    def __init__(self, path: Path, seed: int) -> None:
        self.bytes = path.read_bytes()
        self.saved = torch.load(path, weights_only=True)
        self.random = random.Random(seed)

    def write(self, path: Path) -> str:
        """Write an altered copy to ``path``; what was done to it, in words."""
        kinds: tuple[Callable[[], tuple[bytes, str]], ...] = (self._flipped, self._cut, self._entry)
        content, words = self.random.choices(kinds, (2, 1, 7))[0]()
        path.write_bytes(content)
        return words

    def _flipped(self) -> tuple[bytes, str]:
        content = bytearray(self.bytes)
        places = [self.random.randrange(len(content)) for _ in range(self.random.choice((1, 1, 4, 100)))]
        for place in places:
            content[place] ^= 1 << self.random.randrange(8)
        return bytes(content), f"bits flipped at {places[:4]}"

    def _cut(self) -> tuple[bytes, str]:
        length = self.random.choice((0, 1, 4, self.random.randrange(len(self.bytes)), len(self.bytes) - 1))
        return self.bytes[:length], f"cut to {length} bytes"

    def _entry(self) -> tuple[bytes, str]:
        saved = copy.deepcopy(self.saved)
        parent, name, where = self._place(saved)
        if self.random.random() < 0.25:
            del parent[name]
            words = f"{where} dropped"
        elif isinstance(parent[name], Tensor) and self.random.random() < 0.5:
            parent[name], words = self._other_tensor(parent[name])
            words = f"{where} {words}"
        else:
            parent[name] = self.random.choice(OTHERS)
            words = f"{where} is {parent[name]!r:.60}"
        file = io.BytesIO()
        torch.save(saved, file)
        return file.getvalue(), words

    def _place(self, saved: Any) -> tuple[Any, Any, str]:
        """An entry at any depth: what holds it, its name there, and the way to it in words."""
        parent, way = saved, []
        while True:
            names = list(parent) if isinstance(parent, Mapping) else list(range(len(parent)))
            name = self.random.choice(names)
            way.append(str(name))
            inner = parent[name]
            deeper = isinstance(inner, (dict, list)) and len(inner) > 0
            if not deeper or self.random.random() < 0.25:
                return parent, name, "/".join(way)
            parent = inner

    def _other_tensor(self, tensor: Tensor) -> tuple[Any, str]:
        others: tuple[tuple[Callable[[Tensor], Any], str], ...] = (
            (lambda value: value.flatten()[:-1], "is one number shorter"),
            (lambda value: value[None], "has one dimension more"),
            (lambda value: value.to(torch.int64), "holds whole numbers"),
            (lambda value: value.to(torch.float16), "holds half the digits"),
            (lambda value: torch.full_like(value, 200 if value.dtype == torch.uint8 else 1), "is full of ones"),
            (lambda value: np.float64(0.5), "is a number of NumPy"),
        )
        alter, words = self.random.choice(others)
        return alter(tensor), words
