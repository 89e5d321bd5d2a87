"""The mismatch from scores: known mixtures, limits, invariances, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import estimate_mismatch, mismatch_from_posteriors
from usb_negsamp.functional.open_set.mismatch import MISMATCH_METHODS

BY_ORDER = ("storey", "best_bin")


def gaussian_mixture(delta: float, n: int, m: int, seed: int, distance: float = 4.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    unseen = round(delta * m)
    pool = torch.randn(m, generator=generator, dtype=torch.float64)
    pool[:unseen] -= distance
    return torch.randn(n, generator=generator, dtype=torch.float64), pool


@pytest.mark.parametrize("method", BY_ORDER)
@pytest.mark.parametrize("unseen", [0, 1, 30, 50, 99, 100])
def test_separable_scores_give_the_exact_share(method: str, unseen: int) -> None:
    """The seen part of the pool is the held-out scores themselves, so that no chance is left."""
    seen = torch.arange(1.0, 101.0, dtype=torch.float64)
    pool = torch.cat([seen.repeat(100 - unseen), -torch.rand(100 * unseen, dtype=torch.float64)])
    assert estimate_mismatch(seen, pool, method) == pytest.approx(unseen / 100, abs=1e-12)


@pytest.mark.parametrize("method", MISMATCH_METHODS)
def test_the_limits_are_nothing_unseen_and_nothing_seen(method: str) -> None:
    seen = torch.linspace(5, 6, 200)
    assert estimate_mismatch(seen, seen, method) == pytest.approx(0.0, abs=1e-12)
    assert estimate_mismatch(seen, torch.linspace(-6, -5, 300), method) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("method", BY_ORDER)
@pytest.mark.parametrize("delta", [0.0, 0.1, 0.3, 0.6, 0.9])
def test_gaussian_mixtures_four_deviations_apart_are_found(method: str, delta: float) -> None:
    """Over ten draws of 2,000 and 4,000 scores, 0.02 in the mean, where the best known threshold would have 0.01."""
    errors = [estimate_mismatch(*gaussian_mixture(delta, 2000, 4000, seed), method) - delta for seed in range(10)]
    assert sum(abs(error) for error in errors) / 10 < 0.02


@pytest.mark.parametrize("delta", [0.0, 0.3, 0.6])
def test_the_minimum_ratio_errs_upwards(delta: float) -> None:
    """The least of many noisy ratios: what the cited method finds where nothing is unseen, too."""
    errors = [estimate_mismatch(*gaussian_mixture(delta, 300, 600, s), "minimum_ratio") - delta for s in range(10)]
    assert sum(errors) / 10 > 0.05 * (1.0 - delta)
    assert min(errors) > -0.1


@pytest.mark.parametrize("method", BY_ORDER)
def test_more_scores_bring_the_estimate_nearer(method: str) -> None:
    def error(n: int) -> float:
        return sum(abs(estimate_mismatch(*gaussian_mixture(0.3, n, 2 * n, seed), method) - 0.3) for seed in range(12))

    assert error(100) > 2.0 * error(10_000)


def test_unseen_images_that_score_like_seen_ones_are_missed() -> None:
    """With scores that tell nothing, the estimate is near 0 whatever is true: a lower bound in effect."""
    assert estimate_mismatch(*gaussian_mixture(0.6, 2000, 4000, 0, distance=0.0)) < 0.05


@pytest.mark.parametrize("method", MISMATCH_METHODS)
def test_few_and_equal_scores_give_a_share(method: str) -> None:
    one = torch.tensor([1.0])
    assert estimate_mismatch(one, one, method) == 0.0
    assert estimate_mismatch(one, torch.tensor([0.0]), method) == 1.0
    assert estimate_mismatch(torch.ones(50), torch.tensor([1.0, 1.0, 1.0, 0.0]), method) == pytest.approx(0.25)


def test_ties_at_a_saturated_score_do_not_hide_the_share() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = torch.cat([torch.ones(80), torch.rand(20, generator=generator)])
    pool = torch.cat([torch.ones(160), torch.rand(40, generator=generator), torch.zeros(200)])
    for method in BY_ORDER:
        assert estimate_mismatch(seen, pool, method) == pytest.approx(0.5, abs=0.03)


SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40).map(lambda x: torch.tensor(x, dtype=torch.float64))


@pytest.mark.parametrize("method", MISMATCH_METHODS)
@settings(max_examples=60, deadline=None)
@given(seen=SCORES, pool=SCORES, seed=st.integers(0, 1000))
@example(seen=torch.tensor([0.0, 5e-324], dtype=torch.float64), pool=torch.zeros(1, dtype=torch.float64), seed=1)
def test_the_result_is_a_share_and_no_order_of_images_matters(
    method: str, seen: Tensor, pool: Tensor, seed: int
) -> None:
    result = estimate_mismatch(seen, pool, method)
    assert 0.0 <= result <= 1.0
    generator = torch.Generator().manual_seed(seed)
    shuffled_seen, shuffled_pool = (x[torch.randperm(len(x), generator=generator)] for x in (seen, pool))
    assert estimate_mismatch(shuffled_seen, shuffled_pool, method) == pytest.approx(result, abs=1e-9)


@pytest.mark.parametrize("method", BY_ORDER)
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 60), m=st.integers(1, 60))
def test_only_the_order_of_scores_counts(method: str, seed: int, n: int, m: int) -> None:
    seen, pool = gaussian_mixture(0.3, n, m, seed, distance=2.0)
    seen, pool = seen.mul(2).round(), pool.mul(2).round()  # ties, and far enough apart for any map
    result = estimate_mismatch(seen, pool, method)
    assert estimate_mismatch(seen.exp(), pool.exp(), method) == result
    assert estimate_mismatch(seen**3 - 7, pool**3 - 7, method) == result


def test_the_minimum_ratio_does_not_depend_on_scale_and_offset() -> None:
    seen, pool = gaussian_mixture(0.3, 100, 200, 0)
    expected = estimate_mismatch(seen, pool, "minimum_ratio")
    assert 0.1 < expected < 0.9
    assert estimate_mismatch(50 * seen - 3, 50 * pool - 3, "minimum_ratio") == pytest.approx(expected)


def test_the_minimum_ratio_is_that_of_kernel_densities_with_silverman_bandwidth() -> None:
    seen, pool = gaussian_mixture(0.5, 300, 400, 3, distance=2.0)
    quartiles = seen.quantile(0.75) - seen.quantile(0.25)
    h = 0.9 * min(float(quartiles) / 1.349, float(seen.std(correction=0))) * 300**-0.2

    def density(at: float, data: Tensor) -> float:
        return sum(math.exp(-0.5 * ((at - x) / h) ** 2) for x in data.tolist()) / len(data)

    least = min(density(x, pool) / density(x, seen) for x in seen.tolist())
    assert estimate_mismatch(seen, pool, "minimum_ratio") == pytest.approx(1.0 - least)


def test_best_bin_minimizes_the_bound_of_the_paper() -> None:
    seen, pool = gaussian_mixture(0.4, 60, 90, 5, distance=2.0)
    width = math.sqrt(math.log(40.0) / 120.0) + math.sqrt(math.log(40.0) / 180.0)
    bounds = []
    for c in [*seen.tolist(), *pool.tolist()]:
        q_seen, q_pool = float((seen >= c).double().mean()), float((pool >= c).double().mean())
        if q_seen > 0:
            bounds.append(((q_pool + 1.01 * width) / q_seen, q_pool / q_seen))
    assert estimate_mismatch(seen, pool, "best_bin") == pytest.approx(1.0 - min(bounds)[1])


def test_true_posteriors_give_the_mismatch() -> None:
    seen, pool = gaussian_mixture(0.3, 1000, 3000, 0, distance=8.0)

    def posterior(x: Tensor) -> Tensor:
        of_seen = 1000 * torch.exp(-0.5 * x**2)
        of_pool = 3000 * (0.7 * torch.exp(-0.5 * x**2) + 0.3 * torch.exp(-0.5 * (x + 8.0) ** 2))
        return of_pool / (of_pool + of_seen)

    assert mismatch_from_posteriors(posterior(seen), posterior(pool)) == pytest.approx(0.3, abs=1e-6)


def test_posteriors_at_their_limits() -> None:
    assert mismatch_from_posteriors(torch.tensor([0.0]), torch.tensor([1.0])) == 1.0
    assert mismatch_from_posteriors(torch.tensor([1.0]), torch.tensor([1.0])) == 0.0
    with pytest.raises(ValueError, match=r"posteriors to be in \[0, 1\], but got -0.5 to 0.25"):
        mismatch_from_posteriors(torch.tensor([-0.5]), torch.tensor([0.25]))


def test_half_precision_and_tensors_with_a_gradient_are_taken() -> None:
    seen, pool = gaussian_mixture(0.3, 100, 200, 0)
    halves = estimate_mismatch(seen.to(torch.bfloat16), pool.to(torch.bfloat16))
    assert halves == pytest.approx(estimate_mismatch(seen, pool), abs=0.05)
    assert isinstance(estimate_mismatch(seen.requires_grad_(), pool), float)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.tensor([]), r"floating \(N,\) tensor with N > 0, but got float32 \(0,\)"),
        (torch.rand(3, 2), r"floating \(N,\) tensor with N > 0, but got float32 \(3, 2\)"),
        (torch.arange(3), r"floating \(N,\) tensor with N > 0, but got int64 \(3,\)"),
        (torch.tensor(0.5), r"floating \(N,\) tensor with N > 0, but got float32 \(\)"),
        (torch.tensor([0.0, float("nan")]), "finite, but got NaN or infinity"),
        (torch.tensor([0.0, float("-inf")]), "finite, but got NaN or infinity"),
    ],
)
def test_bad_scores_are_named(bad: Tensor, message: str) -> None:
    good = torch.rand(5)
    with pytest.raises(ValueError, match=f"`seen_scores` to be (a )?{message}"):
        estimate_mismatch(bad, good)
    with pytest.raises(ValueError, match=f"`pool_scores` to be (a )?{message}"):
        estimate_mismatch(good, bad)


def test_an_unknown_method_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="one of storey, best_bin, minimum_ratio, but got 'bbe'"):
        estimate_mismatch(torch.rand(3), torch.rand(3), "bbe")
