"""Weights by nearest neighbors against the rule, written naively in float64, and the loss that they weigh."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import neighbor_gate, ns3l_loss
from usb_negsamp.functional.gate import directions


def random_case(seed: int, n: int = 20, m: int = 11, width: int = 5) -> tuple[Tensor, Tensor]:
    """Float64 features of images and of labeled images."""
    generator = torch.Generator().manual_seed(seed)
    images, labeled = (torch.randn(count, width, generator=generator, dtype=torch.float64) for count in (n, m))
    return images, labeled


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def naive(images: Tensor, labeled: Tensor, scale: float) -> list[float]:
    """The rule, image by image, in Python floats."""
    rows = labeled.tolist()
    among = [max(cosine(row, other) for other in rows[:i] + rows[i + 1 :]) for i, row in enumerate(rows)]
    weights = []
    for image in images.tolist():
        nearest = max(cosine(image, row) for row in rows)
        weights.append(min(1.0, scale * sum(near <= nearest for near in among) / len(rows)))
    return weights


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [0.5, 2.0, 3.7])
@pytest.mark.parametrize("m", [2, 11, 40])
def test_it_is_the_share_of_labeled_images_that_are_no_nearer_to_other_ones(seed: int, scale: float, m: int) -> None:
    images, labeled = random_case(seed, m=m)
    expected = torch.tensor(naive(images, labeled, scale), dtype=torch.float64)
    torch.testing.assert_close(neighbor_gate(images, labeled, scale), expected, rtol=1e-12, atol=0)
    in_single = neighbor_gate(images.float(), labeled.float(), scale)
    assert in_single.dtype == torch.float32
    torch.testing.assert_close(in_single, expected.float(), rtol=1e-6, atol=0)


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labeled = random_case(0)
    whole = neighbor_gate(images, labeled)
    monkeypatch.setitem(neighbor_gate.__globals__, "_CHUNK", 3)
    assert torch.equal(neighbor_gate(images, labeled), whole)


def test_images_among_the_labeled_ones_count_in_full_and_others_little() -> None:
    generator = torch.Generator().manual_seed(0)
    centers = torch.eye(8)[:3]
    labeled = (centers.repeat(10, 1) + 0.1 * torch.randn(30, 8, generator=generator)).double()
    like = (centers.repeat(40, 1) + 0.1 * torch.randn(120, 8, generator=generator)).double()
    unlike = torch.eye(8)[3:].double()
    assert neighbor_gate(labeled, labeled).min() == 1.0
    assert neighbor_gate(like, labeled).mean() > 0.65
    assert neighbor_gate(unlike, labeled).max() == 0.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.floats(0.01, 50.0))
def test_weights_lie_in_0_to_1_and_grow_with_the_nearest_cosine(seed: int, m: int, scale: float) -> None:
    images, labeled = random_case(seed, m=m)
    weights = neighbor_gate(images, labeled, scale)
    assert bool(((weights >= 0) & (weights <= 1)).all())
    nearest = (directions(images) @ directions(labeled).T).amax(dim=1)
    assert bool((weights[nearest.argsort()].diff() >= 0).all())
    assert bool((neighbor_gate(images, labeled, 2 * scale) >= weights).all())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30), st.integers(-20, 20))
def test_order_and_length_of_features_say_nothing(seed: int, m: int, exponent: int) -> None:
    images, labeled = random_case(seed, m=m)
    weights = neighbor_gate(images, labeled)
    generator = torch.Generator().manual_seed(seed)
    order, other = torch.randperm(len(images), generator=generator), torch.randperm(m, generator=generator)
    torch.testing.assert_close(neighbor_gate(images[order], labeled[other]), weights[order], rtol=0, atol=1e-12)
    torch.testing.assert_close(neighbor_gate(images * 2.0**exponent, labeled), weights, rtol=0, atol=1e-12)


def test_two_labeled_images_are_the_fewest() -> None:
    images, labeled = random_case(0)
    assert neighbor_gate(images, labeled[:2]).shape == (20,)
    for few in (1, 0):
        with pytest.raises(ValueError, match=rf"`labeled_features` to hold at least 2 images, .* but got {few}$"):
            neighbor_gate(images, labeled[:few])


def test_wrong_arguments_are_named() -> None:
    images, labeled = random_case(0)
    with pytest.raises(ValueError, match=r"Expected argument `features` to have the width 4 .* but got 5"):
        neighbor_gate(images, labeled[:, :4])
    for scale in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="Expected argument `scale` to be above 0, but got"):
            neighbor_gate(images, labeled, scale)


def test_what_is_no_number_is_near_to_nothing() -> None:
    images, labeled = random_case(0)
    images[3, 1] = math.nan
    weights = neighbor_gate(images, labeled, 1e9)
    assert weights[3] == 0
    assert bool((weights[4:] > 0).any())


def test_maps_are_flattened_and_nothing_has_a_gradient() -> None:
    images, labeled = random_case(0, width=12)
    leaf = images.clone().requires_grad_()
    weights = neighbor_gate(leaf.reshape(20, 3, 2, 2), labeled.reshape(11, 3, 2, 2))
    assert not weights.requires_grad
    assert torch.equal(weights, neighbor_gate(images, labeled))


def test_half_precision_is_computed_in_float32_also_under_autocast() -> None:
    images, labeled = (part.to(torch.bfloat16) for part in random_case(0))
    expected = neighbor_gate(images.float(), labeled.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = neighbor_gate(images, labeled)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, expected)


def loss_case(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(16, 10, generator=generator).requires_grad_()
    negatives = torch.rand(16, 10, generator=generator) < 0.4
    return logits, negatives


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_of_one_are_the_papers_loss_bit_for_bit(reduction: str) -> None:
    logits, negatives = loss_case(0)
    plain = ns3l_loss(logits, negatives, reduction)
    weighted = ns3l_loss(logits, negatives, reduction, weights=torch.ones(16))
    assert torch.equal(plain, weighted)
    [of_plain], [of_weighted] = (torch.autograd.grad(loss.sum(), logits) for loss in (plain, weighted))
    assert torch.equal(of_plain, of_weighted)


def test_a_weight_multiplies_its_rows_loss_and_the_mean_is_over_all_rows() -> None:
    logits, negatives = loss_case(1)
    rows = ns3l_loss(logits, negatives, "none").tolist()
    weights = torch.linspace(0, 1, 16)
    expected = [weight * row for weight, row in zip(weights.tolist(), rows, strict=True)]
    loss = ns3l_loss(logits, negatives, weights=weights)
    assert loss.item() == pytest.approx(sum(expected) / 16)
    [gradient] = torch.autograd.grad(loss, logits)
    assert torch.count_nonzero(gradient[0]) == 0
    assert torch.count_nonzero(gradient[15]) > 0


def test_weights_carry_no_gradient() -> None:
    logits, negatives = loss_case(2)
    weights = torch.ones(16, requires_grad=True)
    ns3l_loss(logits, negatives, weights=weights).backward()
    assert weights.grad is None


@pytest.mark.parametrize("weights", [torch.ones(15), torch.ones(16, 1), torch.ones(16, dtype=torch.long)])
def test_wrong_weights_are_named(weights: Tensor) -> None:
    logits, negatives = loss_case(3)
    with pytest.raises(ValueError, match=r"Expected argument `weights` to be a floating tensor of shape \(16,\), but"):
        ns3l_loss(logits, negatives, weights=weights)
