"""Otsu's threshold, against scikit-image and against every split of a histogram; the loss of the second task."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from usb_negsamp.functional import domain_loss, otsu_threshold

SCORES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=80)


def objectives(scores: list[float], num_bins: int) -> dict[float, float]:
    """For each split of the histogram the center of its last lower bin, and how far apart the parts are."""
    low, high = min(scores), max(scores)
    width = (high - low) / num_bins
    edges = [low + number * width for number in range(num_bins)] + [high]
    counts = [0] * num_bins
    for score in scores:
        counts[max(number for number in range(num_bins) if edges[number] <= score)] += 1
    centers = [(edges[number] + edges[number + 1]) / 2 for number in range(num_bins)]
    found = {}
    for split in range(1, num_bins):
        lower, upper = sum(counts[:split]), sum(counts[split:])
        mean_lower = sum(c * x for c, x in zip(counts[:split], centers[:split], strict=True)) / lower
        mean_upper = sum(c * x for c, x in zip(counts[split:], centers[split:], strict=True)) / upper
        found[centers[split - 1]] = lower * upper * (mean_lower - mean_upper) ** 2
    return found


@settings(max_examples=50, deadline=None)
@given(SCORES, st.integers(2, 20))
def test_it_is_the_best_of_all_splits_of_the_histogram(scores: list[float], num_bins: int) -> None:
    found = otsu_threshold(torch.tensor(scores, dtype=torch.float64), num_bins).item()
    assert min(scores) <= found <= max(scores)
    if max(scores) - min(scores) < 1e-6:
        return
    by_center = objectives(scores, num_bins)
    nearest = min(by_center, key=lambda center: abs(center - found))
    assert found == pytest.approx(nearest, abs=1e-12)
    assert by_center[nearest] >= max(by_center.values()) * (1 - 1e-9)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 3000))
def test_it_is_that_of_scikit_image(seed: int, size: int) -> None:
    filters = pytest.importorskip("skimage.filters")
    rng = np.random.default_rng(seed)
    scores = np.where(rng.random(size) < rng.random(), rng.beta(2, 8, size), rng.beta(8, 2, size))
    assert otsu_threshold(torch.from_numpy(scores)).item() == pytest.approx(filters.threshold_otsu(scores), abs=1e-12)


def test_two_heaps_are_divided_and_equal_scores_are_all_in_the_upper_part() -> None:
    scores = torch.cat([torch.full((30,), 0.2), torch.full((5,), 0.7), torch.full((4,), 0.72)])
    assert 0.2 < otsu_threshold(scores).item() < 0.7
    equal = torch.full((9,), 0.3)
    assert bool((equal.double() >= otsu_threshold(equal)).all())
    assert otsu_threshold(torch.tensor([0.4])).item() == pytest.approx(0.4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10.0), st.floats(-3.0, 3.0))
def test_order_does_not_matter_and_scale_and_place_carry_over(seed: int, scale: float, place: float) -> None:
    scores = torch.rand(40, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = otsu_threshold(scores)
    assert torch.equal(otsu_threshold(scores.flip(0)), found)
    moved = otsu_threshold(scale * scores + place)
    assert [bool(s) for s in scores >= found] == [bool(s) for s in scale * scores + place >= moved]


def test_no_score_or_a_single_bin_is_refused() -> None:
    with pytest.raises(ValueError, match="`scores` to be"):
        otsu_threshold(torch.zeros(0))
    with pytest.raises(ValueError, match="`num_bins` to be at least 2"):
        otsu_threshold(torch.zeros(3), 1)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 1.0))
def test_the_domain_loss_is_that_of_one_image_at_a_time(seed: int, share: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    labeled = 4 * torch.randn(5, generator=generator, dtype=torch.float64)
    unlabeled = 4 * torch.randn(7, generator=generator, dtype=torch.float64)
    targets = torch.rand(7, generator=generator, dtype=torch.float64)

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    of_labeled = sum(-math.log(sigmoid(x)) for x in labeled.tolist()) / 5
    of_unlabeled = 0.0
    for x, target in zip(unlabeled.tolist(), targets.tolist(), strict=True):
        of_unlabeled -= target * math.log(sigmoid(x)) + (1 - target) * math.log(sigmoid(-x))
    expected = share * of_labeled + (1 - share) * of_unlabeled / 7
    assert domain_loss(labeled, unlabeled, targets, share).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sure_logits_in_half_precision_have_a_finite_loss_with_its_gradient(dtype: torch.dtype) -> None:
    labeled = torch.tensor([-50.0], dtype=dtype, requires_grad=True)
    unlabeled = torch.tensor([60.0], dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = domain_loss(labeled, unlabeled, torch.tensor([0.0]), 0.5)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(55.0)
    assert (labeled.grad.item(), unlabeled.grad.item()) == (-0.5, 0.5)  # type: ignore[union-attr]


def test_labels_of_other_images_or_a_share_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="`soft_labels` to be one an unlabeled image"):
        domain_loss(torch.zeros(2), torch.zeros(3), torch.zeros(2), 0.5)
    with pytest.raises(ValueError, match="`labeled_share`"):
        domain_loss(torch.zeros(2), torch.zeros(3), torch.zeros(3), 1.5)


def test_the_domain_loss_reads_no_value() -> None:
    with FakeTensorMode():
        logits = torch.randn(20, requires_grad=True)
        domain_loss(logits[:4], logits[4:], torch.rand(16), 0.1).backward()
        assert logits.grad is not None
