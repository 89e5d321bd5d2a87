"""The mismatch from features and predictions: the scores, their ranks, and mixtures of known share."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp import ConfigError
from usb_negsamp.data import (
    classifier_posteriors,
    mismatch_from_features,
    neighbor_scores,
    ranks_within_classes,
)
from usb_negsamp.functional import mismatch_from_posteriors

DIRECTIONS = torch.eye(8)


def clusters(counts: list[int], seed: int, noise: float = 0.25) -> tuple[Tensor, Tensor]:
    """Features around one direction a class, of different spread, and what a network of 4 classes says of them."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    spread = noise * (0.5 + 0.25 * (labels % 4).float())
    features = DIRECTIONS[labels] + spread[:, None] * torch.randn(len(labels), 8, generator=generator)
    return features, features[:, :4].argmax(dim=1)


@pytest.mark.parametrize("delta", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("method", ["storey", "best_bin"])
def test_the_share_is_found_also_where_the_pool_has_other_class_proportions(delta: float, method: str) -> None:
    held_out, predicted = clusters([200, 100, 50, 50], seed=1)
    unseen = round(2000 * delta)
    seen = 2000 - unseen
    shares = [seen // 10, seen // 10, 3 * seen // 10]
    pool, pool_predicted = clusters([*shares, seen - sum(shares), unseen // 2, unseen // 2], seed=2)
    estimate = mismatch_from_features(held_out, pool, predicted, pool_predicted, method=method)
    assert estimate == pytest.approx(delta, abs=0.06)


def test_neighbor_scores_are_distances_on_the_sphere_and_leave_an_image_out_of_its_own() -> None:
    seen = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 0.1]], dtype=torch.float64)
    pool = torch.tensor([[5.0, 0.0], [-1.0, 0.0]])
    seen_scores, pool_scores = neighbor_scores(seen, pool.double(), num_neighbors=1)
    unit = torch.nn.functional.normalize(seen)
    expected = [float((unit[0] - unit[2]).norm()), float((unit[1] - unit[2]).norm()), float((unit[0] - unit[2]).norm())]
    torch.testing.assert_close(-seen_scores, torch.tensor(expected))
    torch.testing.assert_close(-pool_scores, torch.tensor([0.0, 2.0**0.5]))
    second, _ = neighbor_scores(seen, pool.double(), num_neighbors=2)
    assert bool((second <= seen_scores).all())


def test_neighbor_scores_of_many_images_are_those_of_the_whole_matrix() -> None:
    generator = torch.Generator().manual_seed(0)
    seen, pool = torch.randn(1500, 6, generator=generator), torch.randn(1100, 6, generator=generator)
    unit, pool_unit = torch.nn.functional.normalize(seen), torch.nn.functional.normalize(pool)
    seen_scores, pool_scores = neighbor_scores(seen, pool, num_neighbors=3)
    torch.testing.assert_close(-seen_scores, torch.cdist(unit, unit).sort(dim=1).values[:, 3], atol=1e-3, rtol=0)
    torch.testing.assert_close(-pool_scores, torch.cdist(pool_unit, unit).sort(dim=1).values[:, 2], atol=1e-3, rtol=0)


def test_ranks_are_counted_within_the_predicted_class() -> None:
    seen, pool = torch.tensor([10.0, 30.0, 1.0, 2.0, 3.0]), torch.tensor([20.0, 40.0, 0.5, 2.5, 2.6, 7.0])
    seen_ranks, pool_ranks = ranks_within_classes(
        seen, pool, torch.tensor([0, 0, 1, 1, 1]), torch.tensor([0, 0, 1, 1, 1, 2])
    )
    assert seen_ranks.tolist() == pytest.approx([1 / 4, 3 / 4, 1 / 6, 3 / 6, 5 / 6])
    # 2.5 and 2.6 share the gap from 2/4 to 3/4; no seen image is predicted to be of class 2.
    assert pool_ranks.tolist() == pytest.approx([1 / 2, 5 / 6, 1 / 8, 9 / 16, 11 / 16, 0.0])


def test_scores_equal_to_seen_ones_are_spread_over_their_place() -> None:
    same = torch.zeros(4, dtype=torch.int64)
    _, ranks = ranks_within_classes(torch.tensor([0.0, 1.0, 1.0, 1.0]), torch.ones(4), same, same)
    assert ranks.tolist() == pytest.approx([0.3, 0.5, 0.7, 0.9])  # evenly over 1/5 to 5/5


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_ranks_keep_order_and_do_not_depend_on_units(seed: int, n: int, m: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    seen, pool = (torch.randn(k, generator=generator, dtype=torch.float64) for k in (n, m))
    if ties:
        seen, pool = seen.mul(2).round(), pool.mul(2).round()
    labels = [torch.randint(3, (k,), generator=generator) for k in (n, m)]
    seen_ranks, pool_ranks = ranks_within_classes(seen, pool, *labels)
    for ranks in (seen_ranks, pool_ranks):
        assert bool((ranks >= 0).all())
        assert bool((ranks < 1).all())
    for label in range(3):
        mine = labels[1] == label
        if bool((labels[0] == label).any()) and not ties:
            by_score = pool[mine].argsort(stable=True)
            assert bool((pool_ranks[mine][by_score].diff() > 0).all())
    mapped = ranks_within_classes(3 * seen + 1, 3 * pool + 1, *labels)
    torch.testing.assert_close(mapped[0], seen_ranks)
    torch.testing.assert_close(mapped[1], pool_ranks)


def test_the_order_of_images_does_not_matter() -> None:
    held_out, predicted = clusters([40, 40, 40, 40], seed=1)
    pool, pool_predicted = clusters([60, 60, 60, 60, 60], seed=2)
    expected = mismatch_from_features(held_out, pool, predicted, pool_predicted)
    assert 0.05 < expected < 0.5
    s = torch.randperm(len(held_out), generator=torch.Generator().manual_seed(0))
    p = torch.randperm(len(pool), generator=torch.Generator().manual_seed(1))
    assert mismatch_from_features(held_out[s], pool[p], predicted[s], pool_predicted[p]) == pytest.approx(expected)


def test_classifier_posteriors_are_of_classifiers_that_did_not_see_the_image() -> None:
    """Features are noise: a classifier that had seen an image could tell where it is from, this one cannot."""
    generator = torch.Generator().manual_seed(0)
    seen, pool = torch.randn(150, 100, generator=generator), torch.randn(300, 100, generator=generator)
    of_seen, of_pool = classifier_posteriors(seen, pool, strength=100.0)
    assert of_seen.shape == (150,)
    assert of_pool.shape == (300,)
    above = (of_pool[:, None] > of_seen).double().mean()
    assert float(above) == pytest.approx(0.5, abs=0.1)
    again = classifier_posteriors(seen, pool, strength=100.0)
    assert torch.equal(again[0], of_seen)


def test_classifier_posteriors_are_high_for_unseen_images_and_give_an_upper_share() -> None:
    held_out, _ = clusters([100] * 4, seed=1, noise=0.1)
    pool, _ = clusters([100] * 4 + [200, 200], seed=2, noise=0.1)
    of_seen, of_pool = classifier_posteriors(held_out, pool, strength=1.0)
    assert float(of_pool[400:].min()) > float(of_seen.max())
    assert mismatch_from_posteriors(of_seen, of_pool) > 0.5  # the least of 1,200 posteriors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seen_features": torch.rand(3, 2)}, "num_neighbors: expected 1 to 2, fewer than the 3 held-out images"),
        ({"num_neighbors": 0}, "num_neighbors: expected 1 to 9, .*but got 0"),
        ({"pool_features": torch.rand(20, 3)}, "expected features of one length, but got 2 and 3"),
        ({"pool_features": torch.rand(0, 2)}, r"pool_features: expected floating features \(N, D\), N > 0"),
        ({"seen_features": torch.rand(10)}, r"seen_features: expected floating features .* but got torch.float32 \(10"),
        ({"seen_features": torch.full((10, 2), float("nan"))}, "seen_features: expected finite features"),
        ({"seen_predictions": torch.zeros(4, dtype=torch.int64)}, r"seen_predictions: expected one integer .* \(4,\)"),
        ({"pool_predictions": torch.rand(20)}, "pool_predictions: expected one integer .* but got torch.float32"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {
        "seen_features": torch.rand(10, 2),
        "pool_features": torch.rand(20, 2),
        "seen_predictions": torch.zeros(10, dtype=torch.int64),
        "pool_predictions": torch.zeros(20, dtype=torch.int64),
    }
    with pytest.raises(ConfigError, match=message):
        mismatch_from_features(**{**options, **change})


def test_folds_need_images() -> None:
    with pytest.raises(ConfigError, match="folds: expected 2 to 4, of 4 seen and 9 pool images, but got 5"):
        classifier_posteriors(torch.rand(4, 2), torch.rand(9, 2))
