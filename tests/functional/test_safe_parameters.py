"""SPL: the safe ratio, the magnitude mask, and the two masks that learn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import hard_mask, layer_ratios, magnitude_mask, rank_scores, safe_ratio, soft_mask


@pytest.mark.parametrize(
    ("mismatch", "labeled_ratio", "expected"),
    [
        (0.3, 5_000 / 20_000, 0.775),  # Figure 4
        (0.3, 2_400 / 20_000, 0.736),
        (0.6, 2_400 / 20_000, 0.472),
        (0.0, 0.1, 1.0),
        (1.0, 0.1, 0.1),
        (0.5, 3.0, 1.0),
        (0.5, float("inf"), 1.0),
        (1.0, 0.0, 0.0),
    ],
)
def test_safe_ratio_is_equation_3(mismatch: float, labeled_ratio: float, expected: float) -> None:
    assert safe_ratio(mismatch, labeled_ratio) == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.floats(0, 10))
def test_safe_ratio_is_a_share_and_falls_with_mismatch(mismatch: float, labeled_ratio: float) -> None:
    ratio = safe_ratio(mismatch, labeled_ratio)
    assert 0.0 <= ratio <= 1.0
    assert ratio >= safe_ratio(1.0, labeled_ratio) - 1e-12


@pytest.mark.parametrize(
    ("mismatch", "labeled_ratio", "name"),
    [(-0.1, 0.1, "mismatch"), (1.1, 0.1, "mismatch"), (float("nan"), 0.1, "mismatch"), (0.1, -1.0, "labeled_ratio")],
)
def test_safe_ratio_names_what_is_out_of_range(mismatch: float, labeled_ratio: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"Expected argument `{name}` to be in "):
        safe_ratio(mismatch, labeled_ratio)


def layers(seed: int, ties: bool = False) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = {
        "stem": 3.0 * torch.randn(4, 3, 3, 3, generator=generator),
        "body": torch.randn(10, 20, generator=generator),
        "head": 0.1 * torch.randn(5, 10, generator=generator),
    }
    return {name: w.round() for name, w in weights.items()} if ties else weights


def reference_mask(weights: dict[str, Tensor], ratio: float) -> dict[str, list[bool]]:
    """Return the mask from a sort of (magnitude, position) in Python."""
    entries = [(-abs(v), name, i) for name, w in weights.items() for i, v in enumerate(w.flatten().tolist())]
    order = sorted(range(len(entries)), key=lambda e: (entries[e][0], e))
    kept = {entries[e][1:] for e in order[: round(ratio * len(entries))]}
    return {name: [(name, i) in kept for i in range(w.numel())] for name, w in weights.items()}


@pytest.mark.parametrize("ties", [False, True])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), ratio=st.floats(0, 1))
def test_magnitude_mask_keeps_exactly_the_largest_of_all_layers(ties: bool, seed: int, ratio: float) -> None:
    weights = layers(seed, ties)
    masks = magnitude_mask(weights, ratio)
    assert list(masks) == list(weights)
    assert {name: mask.shape for name, mask in masks.items()} == {name: w.shape for name, w in weights.items()}
    assert {name: mask.flatten().tolist() for name, mask in masks.items()} == reference_mask(weights, ratio)


def test_magnitude_mask_keeps_a_layer_of_small_weights_less() -> None:
    ratios = layer_ratios(magnitude_mask(layers(0), 0.5))
    assert ratios["stem"] > ratios["body"] > ratios["head"]


def test_magnitude_mask_of_equal_weights_takes_the_first() -> None:
    masks = magnitude_mask({"a": torch.ones(4), "b": -torch.ones(4)}, 0.75)
    assert masks["a"].tolist() == [True] * 4
    assert masks["b"].tolist() == [True, True, False, False]


def test_magnitude_mask_takes_parameters_half_precision_and_more_than_quantile_can() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.bfloat16))
    masks = magnitude_mask({"a": weight, "b": torch.tensor([1.5, 0.0])}, 0.5)
    assert masks["a"].tolist() == [False, True]
    assert masks["b"].tolist() == [True, False]
    large = torch.arange(2**24 + 4, dtype=torch.int32).remainder(97).float()
    assert int(magnitude_mask({"a": large}, 0.3)["a"].sum()) == round(0.3 * large.numel())


def test_magnitude_mask_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"`ratio` to be in \[0, 1\], but got 1.5"):
        magnitude_mask({"a": torch.ones(3)}, 1.5)
    with pytest.raises(ValueError, match="at least one tensor"):
        magnitude_mask({}, 0.5)
    with pytest.raises(ValueError, match="finite, but got NaN or infinity in 'b'"):
        magnitude_mask({"a": torch.ones(3), "b": torch.tensor([float("nan")])}, 0.5)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1), st.booleans())
def test_ranks_at_the_layer_ratio_give_back_the_magnitude_mask(seed: int, ratio: float, ties: bool) -> None:
    weights = layers(seed, ties)
    masks = magnitude_mask(weights, ratio)
    for name, share in layer_ratios(masks).items():
        assert torch.equal(hard_mask(rank_scores(weights[name]), share).bool(), masks[name])


def test_ranks_are_distinct_even_steps_in_the_order_of_magnitudes() -> None:
    weight = torch.nn.Parameter(torch.randn(50, 40, generator=torch.Generator().manual_seed(0)))
    scores = rank_scores(weight)
    order = weight.detach().abs().flatten().argsort()
    torch.testing.assert_close(scores.flatten()[order], torch.linspace(0, 1, 2_000))
    assert not scores.requires_grad
    assert rank_scores(torch.tensor([3.0])).tolist() == [1.0]
    assert len(set(rank_scores(torch.zeros(2**20)).tolist())) == 2**20


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.floats(0, 1), st.booleans())
def test_hard_mask_has_exactly_so_many_ones_at_the_largest_scores(seed: int, n: int, ratio: float, ties: bool) -> None:
    scores = torch.randn(n, generator=torch.Generator().manual_seed(seed))
    scores = scores.round() if ties else scores
    order = sorted(range(n), key=lambda i: (-scores[i].item(), i))
    expected = torch.zeros(n)
    expected[order[: round(ratio * n)]] = 1.0
    assert torch.equal(hard_mask(scores, ratio), expected)


def test_hard_mask_passes_its_gradient_straight_to_every_score() -> None:
    scores = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weight, upstream = torch.randn(3, 4), torch.randn(3, 4)
    (hard_mask(scores, 0.25) * weight * upstream).sum().backward()
    torch.testing.assert_close(scores.grad, weight * upstream)


def test_hard_mask_keeps_shape_and_dtype_and_checks_its_ratio() -> None:
    mask = hard_mask(torch.rand(2, 3, 4).to(torch.bfloat16), 0.5)
    assert mask.dtype == torch.bfloat16
    assert mask.shape == (2, 3, 4)
    with pytest.raises(ValueError, match=r"`ratio` to be in \[0, 1\], but got -0.1"):
        hard_mask(torch.rand(3), -0.1)


def test_steps_on_hard_mask_scores_swap_a_harmful_weight_with_a_useful_one_and_keep_the_count() -> None:
    weight, target = torch.tensor([2.0, 1.9, 1.8, 0.1]), torch.tensor([1.0, 0.0, 1.0, 0.0])
    scores = rank_scores(weight).requires_grad_()
    optimizer = torch.optim.SGD([scores], lr=0.02)
    assert hard_mask(scores, 0.5).tolist() == [1.0, 1.0, 0.0, 0.0]
    for _ in range(50):
        optimizer.zero_grad()
        mask = hard_mask(scores, 0.5)
        assert mask.sum() == 2
        ((mask * weight - target * weight) ** 2).sum().backward()
        optimizer.step()
    assert hard_mask(scores, 0.5).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_soft_mask_is_relu_and_lets_dropped_scores_return_but_not_sink() -> None:
    scores = torch.tensor([0.5, 0.5, 0.0, 0.0, -0.3, -0.3], requires_grad=True)
    mask = soft_mask(scores)
    assert mask.tolist() == [0.5, 0.5, 0.0, 0.0, 0.0, 0.0]
    mask.backward(torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]))
    assert scores.grad is not None
    assert scores.grad.tolist() == [1.0, -1.0, 0.0, -1.0, 0.0, -1.0]


def test_soft_mask_has_the_gradient_of_relu_where_scores_are_positive() -> None:
    scores = torch.rand(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.1
    assert torch.autograd.gradcheck(soft_mask, scores.requires_grad_())


def test_layer_ratios_count_what_is_kept() -> None:
    masks = {"a": torch.tensor([[True, False], [True, True]]), "b": torch.zeros(3, dtype=torch.bool)}
    assert layer_ratios(masks) == {"a": 0.75, "b": 0.0}
