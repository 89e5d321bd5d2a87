"""The rules that choose negatives: thresholds, random draws, nearest neighbors."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import (
    default_threshold,
    neighbor_negatives,
    oracle_negatives,
    threshold_negatives,
    uniform_negatives,
)


def chi_square_is_plausible(counts: Tensor, expected: Tensor) -> bool:
    """Tell whether chi-square stays within five standard deviations of its mean (both are fixed by the seed)."""
    freedom = counts.numel() - 1
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic < freedom + 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize(("k", "expected"), [(10, 0.04), (100, 0.004), (50, 0.008), (2, 0.2)])
def test_default_threshold_is_the_papers_value_scaled_by_the_number_of_classes(k: int, expected: float) -> None:
    assert default_threshold(k) == pytest.approx(expected)


def test_default_threshold_needs_two_classes() -> None:
    with pytest.raises(ValueError, match="Expected argument `num_classes` to be at least 2, but got 1"):
        default_threshold(1)


def test_threshold_is_strict_also_in_half_precision() -> None:
    probs = torch.tensor([[0.0625, 0.03125, 0.90625]])
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        assert threshold_negatives(probs.to(dtype), 0.0625).tolist() == [[False, True, False]]
    # 0.0401 rounds to 0.0400390625 in bfloat16, which is below it: the threshold must not be rounded as well.
    probs = torch.tensor([[0.0400390625, 0.9599609375]], dtype=torch.bfloat16)
    assert threshold_negatives(probs, 0.0401).tolist() == [[True, False]]


@pytest.mark.parametrize("threshold", [0.1, 0.12, 1.0, float("inf"), float("nan")])
def test_a_threshold_of_one_kth_or_more_is_refused_with_the_usual_value(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"`threshold` to be below 1/K = 0\.1, but got .*0\.4/K = 0\.04"):
        threshold_negatives(torch.full((1, 10), 0.1), threshold)


@pytest.mark.parametrize("threshold", [0.0, -0.5])
def test_a_threshold_of_zero_or_less_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"`threshold` to be above 0, but got .*0\.4/K = 0\.04"):
        threshold_negatives(torch.full((1, 10), 0.1), threshold)


def test_threshold_needs_rows_of_probabilities() -> None:
    with pytest.raises(ValueError, match="`probs` to have shape"):
        threshold_negatives(torch.full((10,), 0.1), 0.04)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.floats(0.01, 10.0), st.floats(0.01, 0.99))
def test_a_legal_threshold_never_takes_every_class(seed: int, k: int, scale: float, share: float) -> None:
    logits = scale * torch.randn(16, k, generator=torch.Generator().manual_seed(seed))
    assert not bool(threshold_negatives(logits.softmax(1), share / k).all(1).any())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 20), st.data())
def test_uniform_draws_exactly_so_many_distinct_classes(seed: int, k: int, data: st.DataObject) -> None:
    m = data.draw(st.integers(1, k - 1))
    mask = uniform_negatives(17, k, m, torch.Generator().manual_seed(seed))
    assert mask.shape == (17, k)
    assert mask.dtype == torch.bool
    assert mask.sum(1).tolist() == [m] * 17


def test_uniform_gives_every_set_of_classes_the_same_chance() -> None:
    mask = uniform_negatives(60_000, 5, 2, torch.Generator().manual_seed(0))
    code = (mask.long() * 2 ** torch.arange(5)).sum(1)
    pairs = [2**i + 2**j for i, j in itertools.combinations(range(5), 2)]
    counts = torch.tensor([int((code == pair).sum()) for pair in pairs], dtype=torch.float64)
    assert counts.sum() == 60_000
    assert chi_square_is_plausible(counts, torch.full((10,), 6_000.0, dtype=torch.float64))


def test_random_rules_repeat_with_the_generator() -> None:
    labels = torch.arange(100) % 10
    for draw in (
        lambda g: uniform_negatives(100, 10, 3, g),
        lambda g: oracle_negatives(labels, 10, 3, g),
    ):
        one, two, other = (draw(torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
        assert torch.equal(one, two)
        assert not torch.equal(one, other)


def test_without_a_generator_the_global_seed_rules() -> None:
    torch.manual_seed(5)
    one = uniform_negatives(20, 10, 3)
    torch.manual_seed(5)
    assert torch.equal(one, uniform_negatives(20, 10, 3, device="cpu"))


@pytest.mark.parametrize("m", [0, -1, 10, 11])
def test_so_many_negatives_cannot_be_drawn(m: int) -> None:
    message = rf"Expected argument `num_negatives` to be in 1\.\.9, but got {m}"
    with pytest.raises(ValueError, match=message):
        uniform_negatives(4, 10, m)
    with pytest.raises(ValueError, match=message):
        oracle_negatives(torch.zeros(4, dtype=torch.long), 10, m)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 20), st.data())
def test_oracle_never_draws_the_true_class(seed: int, k: int, data: st.DataObject) -> None:
    m = data.draw(st.integers(1, k - 1))
    labels = torch.randint(k, (25,), generator=torch.Generator().manual_seed(seed))
    mask = oracle_negatives(labels, k, m, torch.Generator().manual_seed(seed))
    assert mask.sum(1).tolist() == [m] * 25
    assert not any(mask[row, label] for row, label in enumerate(labels.tolist()))


def test_oracle_draws_wrong_classes_uniformly() -> None:
    labels = torch.full((60_000,), 2)
    counts = oracle_negatives(labels, 6, 1, torch.Generator().manual_seed(1)).sum(0).double()
    assert counts[2] == 0
    assert chi_square_is_plausible(counts[[0, 1, 3, 4, 5]], torch.full((5,), 12_000.0, dtype=torch.float64))


def test_oracle_wants_one_integer_a_sample() -> None:
    with pytest.raises(ValueError, match="`labels` to be an integer"):
        oracle_negatives(torch.zeros(4), 10, 1)


def line() -> tuple[Tensor, Tensor]:
    """Return eight labeled points on a line, two of class 0, then one each of classes 1 to 6 further right."""
    return torch.tensor([[0.0], [0.1], [1.0], [2.0], [3.0], [4.0], [5.0], [6.0]]), torch.tensor(
        [0, 0, 1, 2, 3, 4, 5, 6]
    )


def test_exclude_drops_the_class_of_the_nearest_neighbor_alone() -> None:
    points, labels = line()
    mask = neighbor_negatives(
        torch.full((7_000, 1), 2.2), points, labels, 7, "exclude", generator=torch.Generator().manual_seed(0)
    )
    counts = mask.sum(0).double()
    assert mask.sum(1).eq(1).all()
    assert counts[2] == 0
    assert chi_square_is_plausible(counts[[0, 1, 3, 4, 5, 6]], torch.full((6,), 7_000 / 6, dtype=torch.float64))


def test_exclude_nearest_drops_the_four_nearest_classes_and_draws_from_the_rest() -> None:
    points, labels = line()
    mask = neighbor_negatives(
        torch.full((3_000, 1), -1.0), points, labels, 7, "exclude_nearest", generator=torch.Generator().manual_seed(0)
    )
    counts = mask.sum(0).double()
    # The two nearest examples share class 0: four nearest classes are 0 to 3, not 0 to 2.
    assert counts[:4].tolist() == [0, 0, 0, 0]
    assert chi_square_is_plausible(counts[4:], torch.full((3,), 1_000.0, dtype=torch.float64))


def test_exclude_nearest_drops_as_many_classes_as_asked() -> None:
    points, labels = line()
    mask = neighbor_negatives(
        torch.tensor([[6.1]]), points, labels, 7, "exclude_nearest", num_negatives=5, num_excluded=2
    )
    assert mask.tolist() == [[True] * 5 + [False] * 2]


def test_furthest_takes_the_classes_whose_nearest_example_is_furthest() -> None:
    points, labels = line()
    # A far outlier of class 1 does not make class 1 far.
    points, labels = torch.cat([points, torch.tensor([[100.0]])]), torch.cat([labels, torch.tensor([1])])
    mask = neighbor_negatives(torch.tensor([[0.0], [4.5]]), points, labels, 7, "furthest")
    assert mask.float().argmax(1).tolist() == [6, 0]
    two = neighbor_negatives(torch.tensor([[0.0], [4.5]]), points, labels, 7, "furthest", num_negatives=2)
    assert [row.nonzero().flatten().tolist() for row in two] == [[5, 6], [0, 1]]


def reference_order(features: Tensor, points: Tensor, labels: Tensor, k: int) -> list[list[int]]:
    """Return each sample's classes from near to far, in Python floats."""
    rows = []
    for x in features.tolist():
        nearest = [math.inf] * k
        for y, label in zip(points.tolist(), labels.tolist(), strict=True):
            nearest[label] = min(nearest[label], math.dist(x, y))
        rows.append(sorted(range(k), key=nearest.__getitem__))
    return rows


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 50))
def test_neighbor_rules_agree_with_a_plain_search_in_any_chunks(seed: int, chunk: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    points = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    labels = torch.arange(40) % 6
    order = reference_order(features, points, labels, 6)

    def sets(rule: str, m: int) -> list[set[int]]:
        mask = neighbor_negatives(features, points, labels, 6, rule, m, chunk_size=chunk, generator=generator)
        return [set(row.nonzero().flatten().tolist()) for row in mask]

    assert sets("exclude", 5) == [set(row[1:]) for row in order]
    assert sets("exclude_nearest", 2) == [set(row[4:]) for row in order]
    assert sets("furthest", 3) == [set(row[3:]) for row in order]


def test_neighbor_rules_take_images_of_any_type() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    images[1] = 255
    mask = neighbor_negatives(images, images, torch.tensor([0, 1]), 2)
    assert mask.tolist() == [[False, True], [True, False]]


def test_a_class_without_examples_is_never_near_and_furthest_refuses_it() -> None:
    points, labels = torch.tensor([[0.0], [1.0]]), torch.tensor([0, 2])
    mask = neighbor_negatives(torch.tensor([[0.1]]), points, labels, 3, "exclude", num_negatives=2)
    assert mask.tolist() == [[False, True, True]]
    with pytest.raises(ValueError, match=r"every class for the rule 'furthest', but got none of the classes \[1\]"):
        neighbor_negatives(torch.tensor([[0.1]]), points, labels, 3, "furthest")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rule": "nearest"}, "`rule` to be one of exclude, exclude_nearest, furthest, but got 'nearest'"),
        ({"num_negatives": 7}, r"`num_negatives` to be in 1\.\.6, but got 7"),
        ({"rule": "exclude_nearest", "num_negatives": 4}, r"`num_negatives` to be in 1\.\.3, but got 4"),
        ({"rule": "exclude_nearest", "num_excluded": 7}, r"`num_excluded` to be in 1\.\.6, but got 7"),
        ({"features": torch.zeros(1, 2)}, "`features` to have the width 1"),
        ({"reference_labels": torch.zeros(3, dtype=torch.long)}, "a label for each of 8 reference examples"),
        ({"reference_labels": torch.zeros(8)}, "`reference_labels` to be an integer"),
        ({"chunk_size": 0}, "`chunk_size` to be at least 1"),
    ],
)
def test_wrong_neighbor_arguments_are_named(changes: dict[str, object], message: str) -> None:
    points, labels = line()
    arguments: dict[str, object] = {
        "features": torch.zeros(1, 1),
        "reference_features": points,
        "reference_labels": labels,
        "num_classes": 7,
    }
    with pytest.raises(ValueError, match=message):
        neighbor_negatives(**(arguments | changes))  # type: ignore[arg-type]
