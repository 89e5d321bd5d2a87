"""Draws for a whole batch: each sample's are those of the global generators, seeded by its key."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from usb_negsamp.data.views.keyed_draws import KeyedDraws
from usb_negsamp.testing import seed_everything

KEYS = [0, 7, 2**32 + 7, 2**63 - 1, 123456789012345678]
keys = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=5)

WAYS: dict[str, tuple[Callable[[KeyedDraws], Any], Callable[[], Any]]] = {
    "coin": (KeyedDraws.coins, lambda: bool(torch.rand(1) < 0.5)),
    "number of 9": (lambda draws: draws.whole_numbers(8), lambda: int(torch.randint(0, 9, (1,)))),
    "number of 1": (lambda draws: draws.whole_numbers(0), lambda: int(torch.randint(0, 1, (1,)))),
    "number of many": (lambda draws: draws.whole_numbers(2**27), lambda: int(torch.randint(0, 2**27 + 1, (1,)))),
    "16 normal": (lambda draws: draws.normal((2, 8)), lambda: torch.randn((2, 8))),
    "75 normal": (lambda draws: draws.normal((3, 5, 5)), lambda: torch.randn((3, 5, 5))),
    "5 normal": (lambda draws: draws.normal((5,)), lambda: torch.randn((5,))),
}
"""What is drawn: for the batch, and by the global generator."""


def test_the_global_generators_are_left_alone() -> None:
    def next_draws() -> tuple[float, float, float]:
        return torch.rand(1).item(), random.random(), np.random.rand()

    seed_everything(3)
    expected = next_draws()
    seed_everything(3)
    draws = KeyedDraws(KEYS)
    draws.coins()
    draws.normal((3, 4, 4))
    draws.python()[0].random()
    draws.uniform(0, 3)
    assert next_draws() == expected


@given(keys=keys, order=st.lists(st.sampled_from(sorted(WAYS)), min_size=1, max_size=14))
def test_a_sample_draws_what_pytorch_gives_it_in_any_order(keys: list[int], order: list[str]) -> None:
    draws = KeyedDraws(keys)
    of_batch = [WAYS[way][0](draws) for way in order]
    for number, key in enumerate(keys):
        torch.manual_seed(key)
        for way, drawn in zip(order, of_batch, strict=True):
            expected = torch.as_tensor(WAYS[way][1]())
            assert torch.equal(torch.as_tensor(drawn[number]), expected), way


def test_a_sample_draws_the_same_in_another_batch() -> None:
    alone, together = KeyedDraws(KEYS[2:3]), KeyedDraws(KEYS)
    for _ in range(20):
        assert alone.whole_numbers(999)[0] == together.whole_numbers(999)[2]


@pytest.mark.parametrize("key", KEYS)
def test_pythons_and_numpys_draws_are_those_of_the_global_ones(key: int) -> None:
    draws = KeyedDraws([3, key])
    random.seed(key)
    np.random.seed(key & 0xFFFFFFFF)
    for _ in range(3):
        assert draws.python()[1].choices(range(50), k=4) == random.choices(range(50), k=4)
        for low in (32, 0.5, 7):
            assert draws.uniform(1, low) == np.random.uniform(low)
            draws.uniform(0, low)


def test_quarters_are_numpys_choices_between_its_other_draws() -> None:
    draws = KeyedDraws(KEYS)
    last = len(KEYS) - 1
    draws.uniform(last, 5)
    first, second = draws.quarters(), draws.quarters()
    for number, key in enumerate(KEYS):
        np.random.seed(key & 0xFFFFFFFF)
        if number == last:
            np.random.uniform(5)
        assert [np.random.choice([0, 1, 2, 3], 1).item() for _ in range(2)] == [first[number], second[number]]
        assert draws.uniform(number, 0.5) == np.random.uniform(0.5)
