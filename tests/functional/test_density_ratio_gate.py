"""Weights by the ratio of two densities against the rule, written naively in float64."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import density_ratio_gate


def random_case(seed: int, n: int = 20, m: int = 11, p: int = 9, width: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Float64 features of images, of labeled images and of some of the pool."""
    generator = torch.Generator().manual_seed(seed)
    images, labeled, pool = (
        torch.randn(count, width, generator=generator, dtype=torch.float64) + 0.5 for count in (n, m, p)
    )
    return images, labeled, pool


def density(row: list[float], bank: list[list[float]], temperature: float) -> float:
    cosines = (sum(x * y for x, y in zip(row, o, strict=True)) / (math.hypot(*row) * math.hypot(*o)) for o in bank)
    return math.fsum(math.exp(cosine / temperature) for cosine in cosines) / len(bank)


def naive(
    images: Tensor, labeled: Tensor, pool: Tensor, scale: float, temperature: float, places: list[int]
) -> list[float]:
    """The rule, image by image, in Python floats."""
    rows, others = labeled.tolist(), pool.tolist()
    of_labeled = [
        density(row, rows[:i] + rows[i + 1 :], temperature) / density(row, others, temperature)
        for i, row in enumerate(rows)
    ]
    weights = []
    for image, place in zip(images.tolist(), places, strict=True):
        rest = others if place < 0 else others[:place] + others[place + 1 :]
        ratio = density(image, rows, temperature) / density(image, rest, temperature)
        weights.append(min(1.0, scale * sum(one <= ratio for one in of_labeled) / len(rows)))
    return weights


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("scale", "temperature"), [(0.5, 0.05), (2.0, 0.2), (3.7, 1.0)])
@pytest.mark.parametrize(("m", "p"), [(2, 2), (11, 9), (40, 25)])
def test_it_is_the_share_of_labeled_images_in_no_larger_ratio(
    seed: int, scale: float, temperature: float, m: int, p: int
) -> None:
    images, labeled, pool = random_case(seed, m=m, p=p)
    places = [place if place < p else -1 for place in range(3, 23)]
    # Some images are of the pool, and do not count themselves.
    images[: p - 3 if p > 3 else 0] = pool[3:][:20]
    given_places = torch.tensor(places)
    expected = torch.tensor(naive(images, labeled, pool, scale, temperature, places), dtype=torch.float64)
    found = density_ratio_gate(images, labeled, pool, scale, temperature, given_places)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    in_single = density_ratio_gate(images.float(), labeled.float(), pool.float(), scale, temperature, given_places)
    assert in_single.dtype == torch.float32
    torch.testing.assert_close(in_single, expected.float(), rtol=1e-5, atol=0)
    without = torch.tensor(naive(images, labeled, pool, scale, temperature, [-1] * 20), dtype=torch.float64)
    torch.testing.assert_close(
        density_ratio_gate(images, labeled, pool, scale, temperature), without, rtol=1e-12, atol=0
    )


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labeled, pool = random_case(0)
    places = torch.arange(20) % 9 - 1
    whole = density_ratio_gate(images, labeled, pool, places=places)
    monkeypatch.setitem(density_ratio_gate.__globals__, "_CHUNK", 3)
    assert torch.equal(density_ratio_gate(images, labeled, pool, places=places), whole)


def clusters(count: int, kinds: list[int], seed: int) -> Tensor:
    """``count`` features around each of these corners of a cube of eight dimensions."""
    generator = torch.Generator().manual_seed(seed)
    return torch.eye(8)[kinds].repeat(count, 1) + 0.3 * torch.randn(count * len(kinds), 8, generator=generator)


def test_images_count_half_the_scale_where_classes_match_and_little_where_they_do_not() -> None:
    seen, unseen = [0, 1, 2], [3, 4, 5]
    labeled = clusters(40, seen, 0)
    matching = density_ratio_gate(clusters(100, seen, 1), labeled, clusters(40, seen, 2), scale=1.0)
    assert float(matching.mean()) == pytest.approx(0.5, abs=0.05)
    pool = clusters(20, seen + unseen, 3)
    like, unlike = (density_ratio_gate(clusters(100, kinds, 4), labeled, pool) for kinds in (seen, unseen))
    assert like.mean() > 0.65
    assert unlike.mean() < 0.1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(2, 30), st.floats(0.01, 50.0), st.floats(0.02, 5.0))
def test_weights_lie_in_0_to_1_and_neither_order_nor_length_of_features_says_anything(
    seed: int, m: int, p: int, scale: float, temperature: float
) -> None:
    images, labeled, pool = random_case(seed, m=m, p=p)
    weights = density_ratio_gate(images, labeled, pool, scale, temperature)
    assert weights.shape == (20,)
    assert bool(((weights >= 0) & (weights <= 1)).all())
    assert bool((density_ratio_gate(images, labeled, pool, 2 * scale, temperature) >= weights).all())
    again = density_ratio_gate(images.flip(0) * 4, labeled.flip(0) * 0.5, pool.flip(0), scale, temperature)
    # A labeled image's own ratio may be met to a rounding.
    torch.testing.assert_close(again.flip(0), weights, rtol=0, atol=min(1.0, scale / m) + 1e-12)


@pytest.mark.parametrize("few", [0, 1])
def test_two_labeled_and_two_unlabeled_images_are_the_fewest(few: int) -> None:
    images, labeled, pool = random_case(0)
    with pytest.raises(ValueError, match=f"`labeled_features` to hold at least 2 images, but got {few}"):
        density_ratio_gate(images, labeled[:few], pool)
    with pytest.raises(ValueError, match=f"`unlabeled_features` to hold at least 2 images, but got {few}"):
        density_ratio_gate(images, labeled, pool[:few])


def test_other_widths_scales_and_temperatures_are_refused() -> None:
    images, labeled, pool = random_case(0)
    with pytest.raises(ValueError, match="`features` to have the width 5 of the labeled features, but got 4"):
        density_ratio_gate(images[:, :4], labeled, pool)
    with pytest.raises(ValueError, match="`unlabeled_features` to have the width 5 of the labeled features, but got 4"):
        density_ratio_gate(images, labeled, pool[:, :4])
    for value in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="`scale` to be above 0"):
            density_ratio_gate(images, labeled, pool, scale=value)
        with pytest.raises(ValueError, match="`temperature` to be above 0"):
            density_ratio_gate(images, labeled, pool, temperature=value)


def test_features_that_are_no_numbers_count_nothing_and_trailing_dimensions_are_flattened() -> None:
    images, labeled, pool = random_case(1, width=12)
    expected = density_ratio_gate(images, labeled, pool, 1e9)
    assert expected.max() == 1.0
    broken = images.clone()
    broken[3, 2] = math.nan
    weights = density_ratio_gate(broken, labeled, pool, 1e9)
    assert weights[3] == 0.0
    assert torch.equal(weights[4:], expected[4:])
    leaf = images.reshape(20, 3, 2, 2).requires_grad_()
    folded = density_ratio_gate(leaf, labeled.reshape(11, 3, 2, 2), pool.reshape(9, 3, 2, 2), 1e9)
    assert not folded.requires_grad
    assert torch.equal(folded, expected)


def test_autocast_and_half_precision_are_computed_in_float32() -> None:
    images, labeled, pool = (part.float() for part in random_case(2))
    expected = density_ratio_gate(images, labeled, pool)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(density_ratio_gate(images, labeled, pool), expected)
    halves = images.half(), labeled.half(), pool.half()
    singles = halves[0].float(), halves[1].float(), halves[2].float()
    assert torch.equal(density_ratio_gate(*halves), density_ratio_gate(*singles))
