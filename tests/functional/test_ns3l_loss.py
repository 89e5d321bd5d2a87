"""The NS3L loss against the paper's formula, written naively in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from usb_negsamp.functional import default_threshold, ns3l_loss, threshold_negatives


def random_case(seed: int, n: int = 32, k: int = 10, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    """Return float64 logits and negatives, with at least one class left in every row."""
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
    negatives = torch.rand(n, k, generator=generator) < 0.4
    negatives[torch.arange(n), torch.randint(k, (n,), generator=generator)] = False
    return logits, negatives


def naive(logits: Tensor, negatives: Tensor) -> list[float]:
    """Return -log(1 - sum of negative probabilities) row by row, in Python floats."""
    rows = []
    for row, mask in zip(logits.tolist(), negatives.tolist(), strict=True):
        weights = [math.exp(value) for value in row]
        s = sum(w for w, hit in zip(weights, mask, strict=True) if hit) / sum(weights)
        rows.append(-math.log(1.0 - s))
    return rows


def gradient(logits: Tensor, negatives: Tensor, reduction: str = "sum") -> Tensor:
    leaf = logits.clone().requires_grad_()
    ns3l_loss(leaf, negatives, reduction).backward()
    assert leaf.grad is not None
    return leaf.grad


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [2, 3, 10, 100])
def test_loss_is_minus_log_of_what_the_negatives_leave(seed: int, k: int) -> None:
    logits, negatives = random_case(seed, k=k)
    expected = torch.tensor(naive(logits, negatives), dtype=torch.float64)
    torch.testing.assert_close(ns3l_loss(logits, negatives, "none"), expected, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(ns3l_loss(logits.float(), negatives, "none"), expected.float(), rtol=1e-5, atol=1e-6)


def test_reductions_are_mean_over_all_rows_sum_and_none() -> None:
    logits, negatives = random_case(0)
    negatives[::2] = False
    rows = ns3l_loss(logits, negatives, "none")
    assert rows.shape == (32,)
    assert ns3l_loss(logits, negatives).item() == pytest.approx(sum(rows.tolist()) / 32)
    assert ns3l_loss(logits, negatives, "sum").item() == pytest.approx(sum(rows.tolist()))


def test_an_empty_batch_gives_zero() -> None:
    logits = torch.zeros(0, 10, requires_grad=True)
    loss = ns3l_loss(logits, torch.zeros(0, 10, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_autograd_passes_gradcheck(reduction: str) -> None:
    logits, negatives = random_case(1, n=6, k=5)
    negatives[0], negatives[1] = True, False
    leaf = logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: ns3l_loss(z, negatives, reduction), leaf)
    assert torch.autograd.gradgradcheck(lambda z: ns3l_loss(z, negatives, reduction).sum(), leaf)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_closed_form(seed: int) -> None:
    logits, negatives = random_case(seed)
    p = logits.exp() / logits.exp().sum(1, keepdim=True)
    s = torch.where(negatives, p, torch.zeros_like(p)).sum(1, keepdim=True)
    expected = torch.where(negatives, p, -p * s / (1 - s))
    torch.testing.assert_close(gradient(logits, negatives), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(gradient(logits, negatives, "mean"), expected / 32, rtol=1e-9, atol=1e-12)


def test_loss_equals_the_official_clamp_form_where_the_clamp_is_inert() -> None:
    generator = torch.Generator().manual_seed(3)
    first, second = (2 * torch.randn(64, 10, generator=generator) for _ in range(2))
    mask = threshold_negatives(first.softmax(1), 0.04)
    # The authors' file: softmax of the second pass, 1 - S clamped to [1e-8, 1], mean over the batch.
    official = -torch.log(torch.clamp(1 - (mask.float() * torch.softmax(second, 1)).sum(1), 1e-8, 1)).mean()
    torch.testing.assert_close(ns3l_loss(second, mask), official, rtol=1e-5, atol=1e-6)


def test_beyond_the_official_clamp_there_is_still_a_gradient() -> None:
    logits = torch.tensor([[30.0, 0.0, -1.0]])
    negatives = torch.tensor([[True, False, False]])
    leaf = logits.clone().requires_grad_()
    torch.log(torch.clamp(1 - leaf.softmax(1)[:, 0], 1e-8, 1)).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.abs().max() == 0
    assert gradient(logits, negatives)[0, 0].item() == pytest.approx(1.0)


def test_with_as_many_labeled_as_unlabeled_rows_the_batch_mean_is_half_the_unlabeled_mean() -> None:
    logits, negatives = random_case(4)
    whole = torch.cat([torch.randn(32, 10, dtype=torch.float64), logits])
    none = torch.zeros_like(negatives)
    assert ns3l_loss(whole, torch.cat([none, negatives])).item() == pytest.approx(
        0.5 * ns3l_loss(logits, negatives).item(), rel=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rows_without_negatives_give_exactly_nothing(dtype: torch.dtype) -> None:
    logits = (5 * torch.randn(50, 10, generator=torch.Generator().manual_seed(0))).to(dtype)
    negatives = torch.zeros(50, 10, dtype=torch.bool)
    assert torch.equal(
        ns3l_loss(logits, negatives, "none"), torch.zeros(50, dtype=torch.promote_types(dtype, torch.float32))
    )
    assert torch.count_nonzero(gradient(logits, negatives)) == 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rows_with_only_negatives_give_exactly_nothing(dtype: torch.dtype) -> None:
    logits, negatives = random_case(5)
    logits = logits.to(dtype)
    negatives[3], negatives[7] = True, True
    loss = ns3l_loss(logits, negatives, "none")
    grad = gradient(logits, negatives)
    assert loss[[3, 7]].tolist() == [0.0, 0.0]
    assert torch.count_nonzero(grad[[3, 7]]) == 0
    assert bool(grad.isfinite().all())
    assert torch.count_nonzero(grad[0]) > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("gap", [20.0, 100.0, 1000.0])
def test_a_confident_negative_costs_its_logit_gap(dtype: torch.dtype, gap: float) -> None:
    logits = torch.tensor([[gap, 0.0, -gap]], dtype=dtype)
    negatives = torch.tensor([[True, False, False]])
    exact = float(logits[0, 0])
    assert ns3l_loss(logits, negatives).item() == pytest.approx(exact + math.log1p(math.exp(-exact)), rel=1e-6)
    torch.testing.assert_close(
        gradient(logits, negatives), torch.tensor([[1.0, -1.0, 0.0]], dtype=dtype), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_a_confident_right_answer_costs_nothing(dtype: torch.dtype) -> None:
    logits = torch.tensor([[1000.0, 0.0, -1000.0]], dtype=dtype)
    negatives = torch.tensor([[False, True, True]])
    assert ns3l_loss(logits, negatives).item() == 0.0
    assert torch.count_nonzero(gradient(logits, negatives)) == 0


def test_half_precision_is_computed_in_float32_also_under_autocast() -> None:
    logits, negatives = random_case(6)
    half = logits.to(torch.bfloat16)
    expected = ns3l_loss(half.float(), negatives, "none")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = ns3l_loss(half, negatives, "none")
    assert inside.dtype == torch.float32
    assert torch.equal(inside, expected)
    assert ns3l_loss(logits, negatives).dtype == torch.float64
    assert gradient(half, negatives).dtype == torch.bfloat16


def test_nan_logits_are_not_hidden() -> None:
    logits, negatives = random_case(7)
    logits[0, 0] = float("nan")
    assert math.isnan(ns3l_loss(logits, negatives).item())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 20), st.floats(0.01, 300.0))
def test_loss_is_not_negative_and_its_gradient_bounded_and_balanced(seed: int, k: int, scale: float) -> None:
    logits, negatives = random_case(seed, n=8, k=k, scale=scale)
    for dtype in (torch.float64, torch.float32):
        z = logits.to(dtype)
        assert bool((ns3l_loss(z, negatives, "none") >= 0).all())
        grad = gradient(z, negatives)
        assert bool((grad.abs() <= 1 + 1e-6).all())
        torch.testing.assert_close(grad.sum(1), torch.zeros(8, dtype=dtype), atol=1e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-1e3, 1e3))
def test_loss_ignores_a_shift_of_the_logits_and_the_order_of_classes(seed: int, shift: float) -> None:
    logits, negatives = random_case(seed, n=8)
    loss = ns3l_loss(logits, negatives, "none")
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(ns3l_loss(logits + shift, negatives, "none"), loss, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(ns3l_loss(logits[:, order], negatives[:, order], "none"), loss, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 9))
def test_one_more_negative_never_lowers_the_loss(seed: int, extra: int) -> None:
    logits, negatives = random_case(seed, n=8)
    more = negatives.clone()
    more[:, extra] = True
    more[more.all(1)] = negatives[more.all(1)]
    assert bool((ns3l_loss(logits, more, "none") >= ns3l_loss(logits, negatives, "none") - 1e-12).all())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 200), st.floats(0.01, 20.0))
def test_under_the_usual_threshold_one_pass_leaves_at_least_one_kth(seed: int, k: int, scale: float) -> None:
    logits, _ = random_case(seed, n=8, k=k, scale=scale)
    negatives = threshold_negatives(logits.softmax(1), default_threshold(k))
    assert bool((ns3l_loss(logits, negatives, "none") <= math.log(k) + 1e-9).all())


@pytest.mark.parametrize(
    ("logits", "negatives", "reduction", "name"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.bool), "mean", "logits"),
        (torch.zeros(2, 3, dtype=torch.long), torch.zeros(2, 3, dtype=torch.bool), "mean", "logits"),
        (torch.zeros(2, 3), torch.zeros(2, 3), "mean", "negatives"),
        (torch.zeros(2, 3), torch.zeros(2, 4, dtype=torch.bool), "mean", "negatives"),
        (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool), "average", "reduction"),
    ],
)
def test_wrong_arguments_are_named(logits: Tensor, negatives: Tensor, reduction: str, name: str) -> None:
    with pytest.raises(ValueError, match=rf"Expected argument `{name}` to be .*, but got "):
        ns3l_loss(logits, negatives, reduction)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(2, 20), st.floats(0.01, 30.0), st.sampled_from([torch.float32, torch.float64])
)
def test_value_to_the_bit_and_gradient_to_rounding_are_those_of_two_log_softmaxes(
    seed: int, k: int, scale: float, dtype: torch.dtype
) -> None:
    logits, negatives = random_case(seed, k=k, scale=scale)
    leaf = logits.to(dtype).requires_grad_()
    kept, likeliest = leaf.masked_fill(negatives, -math.inf).log_softmax(1).max(1, keepdim=True)
    expected = (kept - leaf.log_softmax(1).gather(1, likeliest)).squeeze(1)
    assert torch.equal(ns3l_loss(leaf, negatives, "none"), expected)
    [by_autograd] = torch.autograd.grad(expected.sum(), leaf)
    rounding = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(gradient(leaf.detach(), negatives), by_autograd, rtol=0, atol=rounding)


class Operations(TorchDispatchMode):
    """Counts the operations that compute something: each is a kernel or more on a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        results = func(*args, **(kwargs or {}))
        if not any(result.alias_info is not None for result in func._schema.returns):
            self.names.append(func._schema.name)
        return results


def test_it_takes_few_operations() -> None:
    logits, negatives = random_case(0)
    leaf = logits.float().requires_grad_()
    with Operations() as forward:
        loss = ns3l_loss(leaf, negatives)
    with Operations() as backward:
        torch.autograd.grad(loss, leaf)
    # Of autograd's own, backward has a gradient of ones and its division among the rows.
    assert len(forward.names) <= 9, forward.names
    assert len(backward.names) <= 7, backward.names


def test_functions_of_functions_take_it() -> None:
    logits, negatives = random_case(1)
    by_func = torch.func.grad(lambda z: ns3l_loss(z, negatives))(logits)
    assert torch.equal(by_func, gradient(logits, negatives, "mean"))
    both = torch.func.vmap(lambda z: ns3l_loss(z, negatives, "none"))(torch.stack([logits, 2 * logits]))
    assert torch.equal(both[1], ns3l_loss(2 * logits, negatives, "none"))
