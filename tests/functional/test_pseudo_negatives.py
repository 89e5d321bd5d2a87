"""DNLL: drawing pseudo-negative labels, their loss, and the error perception mechanism."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import ErrorPerception, ns3l_loss, pseudo_negative_labels, pseudo_negative_loss


def chi_square_is_plausible(counts: Tensor, expected: Tensor) -> bool:
    """Tell whether chi-square stays within five standard deviations of its mean (both are fixed by the seed)."""
    freedom = counts.numel() - 1
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic < freedom + 5 * math.sqrt(2 * freedom)


def random_case(seed: int, n: int = 24, k: int = 10, scale: float = 2.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(n, k, generator=generator, dtype=torch.float64)
    return logits, torch.rand(n, k, generator=generator) < 0.3


def gradient(logits: Tensor, negatives: Tensor, per_sample: str = "sum") -> Tensor:
    leaf = logits.clone().requires_grad_()
    pseudo_negative_loss(leaf, negatives, "sum", per_sample).backward()
    assert leaf.grad is not None
    return leaf.grad


def naive(logits: Tensor, negatives: Tensor) -> list[float]:
    """Return equation 9 row by row, in Python floats."""
    rows = []
    for row, mask in zip(logits.tolist(), negatives.tolist(), strict=True):
        weights = [math.exp(value) for value in row]
        rows.append(-sum(math.log(1 - w / sum(weights)) for w, hit in zip(weights, mask, strict=True) if hit))
    return rows


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 20), st.booleans(), st.data())
def test_exactly_m_distinct_classes_are_drawn_and_never_the_pseudo_label(
    seed: int, k: int, weighted: bool, data: st.DataObject
) -> None:
    m = data.draw(st.integers(1, k - 1))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(k, (33,), generator=generator)
    weights = torch.rand(k, k, generator=generator) ** 8 if weighted else None
    mask = pseudo_negative_labels(labels, k, m, weights, generator)
    assert mask.dtype == torch.bool
    assert mask.shape == (33, k)
    assert mask.sum(1).tolist() == [m] * 33
    assert not any(mask[row, label] for row, label in enumerate(labels.tolist()))


def test_equal_probability_is_uniform_over_the_other_classes() -> None:
    labels = torch.arange(50_000) % 5
    mask = pseudo_negative_labels(labels, 5, 1, generator=torch.Generator().manual_seed(0))
    for own in range(5):
        counts = mask[labels == own].sum(0).double()
        assert counts[own] == 0
        others = [k for k in range(5) if k != own]
        assert chi_square_is_plausible(counts[others], torch.full((4,), 2_500.0, dtype=torch.float64))


def test_one_draw_follows_the_row_of_the_pseudo_label() -> None:
    weights = torch.tensor([[9.0, 1.0, 2.0, 7.0], [0.1, 5.0, 0.2, 0.7], [1.0, 1.0, 0.0, 2.0], [3.0, 3.0, 3.0, 3.0]])
    labels = torch.arange(80_000) % 4
    mask = pseudo_negative_labels(labels, 4, 1, weights, torch.Generator().manual_seed(1))
    for own in range(4):
        others = [k for k in range(4) if k != own]
        share = weights[own, others].double()
        counts = mask[labels == own].sum(0).double()
        assert counts[own] == 0
        assert chi_square_is_plausible(counts[others], 20_000 * share / share.sum())


def test_several_draws_are_sequential_without_replacement() -> None:
    row = [0.0, 0.1, 0.2, 0.3, 0.4]
    mask = pseudo_negative_labels(
        torch.zeros(100_000, dtype=torch.long), 5, 2, torch.tensor([row] * 5), torch.Generator().manual_seed(2)
    )
    counts, expected = [], []
    for i, j in itertools.combinations(range(1, 5), 2):
        counts.append(int((mask[:, i] & mask[:, j]).sum()))
        expected.append(100_000 * (row[i] * row[j] / (1 - row[i]) + row[j] * row[i] / (1 - row[j])))
    assert sum(counts) == 100_000
    assert chi_square_is_plausible(torch.tensor(counts).double(), torch.tensor(expected).double())


def test_classes_of_weight_zero_come_only_where_the_others_do_not_suffice() -> None:
    weights = torch.tensor([[0.0, 1.0, 0.0, 0.0]]).repeat(4, 1)
    labels = torch.zeros(6_000, dtype=torch.long)
    assert pseudo_negative_labels(labels, 4, 1, weights)[:, 1].all()
    two = pseudo_negative_labels(labels, 4, 2, weights, torch.Generator().manual_seed(0))
    assert two[:, 1].all()
    counts = two.sum(0).double()
    assert counts[0] == 0
    assert chi_square_is_plausible(counts[2:], torch.full((2,), 3_000.0, dtype=torch.float64))


@pytest.mark.parametrize("value", [0.0, 1e-38, 1e30, float("nan"), float("inf")])
def test_odd_weights_never_bring_in_the_pseudo_label(value: float) -> None:
    labels = torch.arange(1_000) % 5
    for m in (1, 3, 4):
        mask = pseudo_negative_labels(labels, 5, m, torch.full((5, 5), value))
        assert mask.sum(1).eq(m).all()
        assert not mask[torch.arange(1_000), labels].any()


def test_the_scale_of_a_row_does_not_matter() -> None:
    weights = torch.rand(6, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(600) % 6
    one, two = (
        pseudo_negative_labels(labels, 6, 2, weights * scale, torch.Generator().manual_seed(3))
        for scale in (1.0, 2.0**-40)
    )
    assert torch.equal(one, two)


def test_labels_of_any_integer_type_serve() -> None:
    for dtype in (torch.uint8, torch.int32, torch.int64):
        mask = pseudo_negative_labels(torch.tensor([1, 0], dtype=dtype), 2, 1, torch.ones(2, 2, dtype=torch.float16))
        assert mask.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("m", [0, -2, 5, 6])
def test_so_many_negatives_cannot_be_drawn(m: int) -> None:
    with pytest.raises(ValueError, match=rf"Expected argument `num_negatives` to be in 1\.\.4, but got {m}"):
        pseudo_negative_labels(torch.tensor([0]), 5, m)


def test_wrong_label_and_weight_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="`pseudo_labels` to be an integer"):
        pseudo_negative_labels(torch.zeros(2, 5), 5, 1)
    with pytest.raises(ValueError, match="`weights` to be a floating"):
        pseudo_negative_labels(torch.tensor([0]), 5, 1, torch.ones(5))
    with pytest.raises(ValueError, match="`weights` to be a floating"):
        pseudo_negative_labels(torch.tensor([0]), 5, 1, torch.ones(5, 5, dtype=torch.long))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("k", [2, 3, 10, 100])
def test_loss_is_equation_9(seed: int, k: int) -> None:
    logits, negatives = random_case(seed, k=k)
    expected = torch.tensor(naive(logits, negatives), dtype=torch.float64)
    loss = pseudo_negative_loss(logits, negatives, "none", "sum")
    torch.testing.assert_close(loss, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(
        pseudo_negative_loss(logits.float(), negatives, "none", "sum"), expected.float(), rtol=1e-5, atol=1e-6
    )


def test_mean_divides_a_row_by_its_negatives_and_then_by_all_rows() -> None:
    logits, negatives = random_case(0)
    negatives[5] = False
    rows = naive(logits, negatives)
    means = [row / max(count, 1) for row, count in zip(rows, negatives.sum(1).tolist(), strict=True)]
    assert pseudo_negative_loss(logits, negatives, "none").tolist() == pytest.approx(means)
    assert pseudo_negative_loss(logits, negatives).item() == pytest.approx(sum(means) / 24)
    assert pseudo_negative_loss(logits, negatives, "sum").item() == pytest.approx(sum(means))
    assert pseudo_negative_loss(logits, negatives, "mean", "sum").item() == pytest.approx(sum(rows) / 24)


def test_loss_equals_the_authors_code_up_to_its_guard() -> None:
    logits, _ = random_case(1)
    negatives = pseudo_negative_labels(logits.argmax(1), 10, 2)
    p, y = torch.softmax(logits, 1), negatives.double()
    official = (-(torch.log(1 - p + 1e-6) * y).sum(1) / y.sum(1)).mean()
    torch.testing.assert_close(pseudo_negative_loss(logits, negatives), official, rtol=0, atol=2e-6)


def test_with_one_negative_a_row_it_is_the_ns3l_loss() -> None:
    logits, _ = random_case(2)
    negatives = torch.eye(10, dtype=torch.bool)[torch.arange(24) % 10]
    torch.testing.assert_close(pseudo_negative_loss(logits, negatives, "none"), ns3l_loss(logits, negatives, "none"))


@pytest.mark.parametrize("per_sample", ["mean", "sum"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_autograd_passes_gradcheck(reduction: str, per_sample: str) -> None:
    logits, negatives = random_case(3, n=6, k=5)
    negatives[0], negatives[1] = True, False
    leaf = logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: pseudo_negative_loss(z, negatives, reduction, per_sample), leaf)


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_closed_form_summed_over_the_negatives(seed: int) -> None:
    logits, negatives = random_case(seed, n=8, k=6)
    p = (logits.exp() / logits.exp().sum(1, keepdim=True)).tolist()
    expected = [[0.0] * 6 for _ in range(8)]
    for row, (mass, mask) in enumerate(zip(p, negatives.tolist(), strict=True)):
        for k in range(6):
            if mask[k]:
                for j in range(6):
                    expected[row][j] += mass[k] if j == k else -mass[k] * mass[j] / (1 - mass[k])
    torch.testing.assert_close(
        gradient(logits, negatives), torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_rows_without_negatives_give_exactly_nothing(dtype: torch.dtype) -> None:
    logits, negatives = random_case(4)
    negatives[::2] = False
    loss = pseudo_negative_loss(logits.to(dtype), negatives, "none")
    assert torch.count_nonzero(loss[::2]) == 0
    assert torch.count_nonzero(gradient(logits.to(dtype), negatives)[::2]) == 0
    empty = torch.zeros(0, 10, dtype=dtype)
    assert pseudo_negative_loss(empty, torch.zeros(0, 10, dtype=torch.bool)).item() == 0.0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("gap", [17.0, 100.0, 1000.0])
def test_a_confident_negative_costs_its_logit_gap(dtype: torch.dtype, gap: float) -> None:
    logits = torch.tensor([[gap, 0.0, -gap]], dtype=dtype)
    exact = float(logits[0, 0])
    right, wrong = torch.tensor([[False, True, True]]), torch.tensor([[True, False, False]])
    assert pseudo_negative_loss(logits, wrong).item() == pytest.approx(exact + math.log1p(math.exp(-exact)), rel=1e-6)
    torch.testing.assert_close(
        gradient(logits, wrong), torch.tensor([[1.0, -1.0, 0.0]], dtype=dtype), atol=1e-6, rtol=0
    )
    assert pseudo_negative_loss(logits, right, per_sample="sum").item() == pytest.approx(math.exp(-exact), rel=1e-2)
    assert bool(gradient(logits, right).isfinite().all())


def test_equal_logits_and_all_negative_rows_are_finite() -> None:
    logits = torch.zeros(2, 2)
    negatives = torch.ones(2, 2, dtype=torch.bool)
    assert pseudo_negative_loss(logits, negatives).item() == pytest.approx(math.log(2))
    assert gradient(logits, negatives).abs().max() < 1e-6


def test_half_precision_is_computed_in_float32_also_under_autocast() -> None:
    logits, negatives = random_case(5)
    half = logits.to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pseudo_negative_loss(half, negatives, "none")
    assert inside.dtype == torch.float32
    assert torch.equal(inside, pseudo_negative_loss(half.float(), negatives, "none"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 20), st.floats(0.01, 300.0))
def test_loss_is_not_negative_and_its_gradient_bounded_and_balanced(seed: int, k: int, scale: float) -> None:
    logits, negatives = random_case(seed, n=8, k=k, scale=scale)
    for dtype in (torch.float64, torch.float32):
        z = logits.to(dtype)
        assert bool((pseudo_negative_loss(z, negatives, "none") >= 0).all())
        grad = gradient(z, negatives, "mean")
        assert bool((grad.abs() <= 1 + 1e-6).all())
        torch.testing.assert_close(grad.sum(1), torch.zeros(8, dtype=dtype), atol=1e-5, rtol=0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-1e3, 1e3))
def test_loss_ignores_a_shift_of_the_logits_and_the_order_of_classes(seed: int, shift: float) -> None:
    logits, negatives = random_case(seed, n=8)
    loss = pseudo_negative_loss(logits, negatives, "none")
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(pseudo_negative_loss(logits + shift, negatives, "none"), loss, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(pseudo_negative_loss(logits[:, order], negatives[:, order], "none"), loss)


@pytest.mark.parametrize(
    ("logits", "negatives", "options", "name"),
    [
        (torch.zeros(2, 1), torch.zeros(2, 1, dtype=torch.bool), {}, "logits"),
        (torch.zeros(2, 3), torch.zeros(2, 3), {}, "negatives"),
        (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool), {"reduction": "batchmean"}, "reduction"),
        (torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool), {"per_sample": "none"}, "per_sample"),
    ],
)
def test_wrong_loss_arguments_are_named(logits: Tensor, negatives: Tensor, options: dict[str, str], name: str) -> None:
    with pytest.raises(ValueError, match=rf"Expected argument `{name}` to .*, but got "):
        pseudo_negative_loss(logits, negatives, **options)


def loop_mass(logits: Tensor, labels: Tensor, k: int) -> list[list[float]]:
    """Return equation 22 for every class, sample by sample, in Python floats."""
    mass = [[0.0] * k for _ in range(k)]
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        guess = max(range(k), key=row.__getitem__)
        if guess != label:
            mass[label][guess] += math.exp(row[guess]) / sum(math.exp(value) for value in row)
    return mass


def batch(seed: int, n: int = 40, k: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(n, k, generator=generator), torch.randint(k, (n,), generator=generator)


def test_without_errors_every_other_class_is_equally_likely() -> None:
    perception = ErrorPerception(4)
    third = torch.full((4, 4), 1 / 3).fill_diagonal_(0)
    torch.testing.assert_close(perception.weights(), third)
    perception.update(5 * torch.eye(4), torch.arange(4))
    torch.testing.assert_close(perception.weights(), third)


@pytest.mark.parametrize("steps", [1, 3, 200])
def test_with_all_labeled_images_in_each_step_the_sums_are_those_of_equation_22(steps: int) -> None:
    logits, labels = batch(0)
    perception = ErrorPerception(5, momentum=0.99, class_counts=labels.bincount(minlength=5))
    for _ in range(steps):
        perception.update(logits, labels)
    torch.testing.assert_close(
        perception.error_sums(), torch.tensor(loop_mass(logits, labels, 5)), rtol=1e-4, atol=1e-6
    )


def test_small_batches_estimate_equation_22_over_all_labeled_images() -> None:
    logits, labels = batch(0, n=400)
    perception = ErrorPerception(5, momentum=0.999, class_counts=labels.bincount(minlength=5))
    generator = torch.Generator().manual_seed(0)
    for _ in range(3000):
        chosen = torch.randint(len(labels), (16,), generator=generator)
        perception.update(logits[chosen], labels[chosen])
    whole = torch.tensor(loop_mass(logits, labels, 5))
    assert whole.max() > 5, "sums over many images, which a mean over a step is far from"
    torch.testing.assert_close(perception.error_sums(), whole, rtol=0.2, atol=0.5)


def test_a_class_that_is_absent_from_a_step_keeps_its_row() -> None:
    perception = ErrorPerception(5, momentum=0.9)
    perception.update(*batch(0))
    before = perception.error_sums()
    logits, labels = batch(1)
    labels[labels == 2] = 3
    perception.update(logits, labels)
    assert torch.equal(perception.error_sums()[2], before[2])
    assert not torch.equal(perception.error_sums()[3], before[3])


def test_without_class_counts_the_images_seen_are_counted() -> None:
    counted, told = ErrorPerception(5), ErrorPerception(5, class_counts=torch.full((5,), 7))
    logits = torch.eye(5).roll(1, dims=1).repeat(7, 1)
    labels = torch.arange(5).repeat(7)
    for part in range(0, 35, 5):
        counted.update(logits[part : part + 5], labels[part : part + 5])
        told.update(logits[part : part + 5], labels[part : part + 5])
    torch.testing.assert_close(counted.error_sums(), told.error_sums())


def test_weights_are_the_softmax_of_a_row_with_its_own_class_zeroed_and_renormalized() -> None:
    perception = ErrorPerception(5, momentum=0.0)
    perception.update(*batch(0))
    for k, row in enumerate(perception.error_sums().tolist()):
        exp = [math.exp(value) for value in row]
        softmax = [value / sum(exp) for value in exp]
        softmax[k] = 0.0
        assert perception.weights()[k].tolist() == pytest.approx([value / sum(softmax) for value in softmax], abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0, 1, exclude_max=True))
def test_weights_are_probabilities_with_a_zero_diagonal(seed: int, k: int, momentum: float) -> None:
    perception = ErrorPerception(k, momentum)
    for step in range(3):
        perception.update(*batch(seed + step, n=200, k=k))
    weights = perception.weights()
    assert torch.count_nonzero(weights.diagonal()) == 0
    assert bool((weights >= 0).all())
    torch.testing.assert_close(weights.sum(1), torch.ones(k))


@pytest.mark.parametrize("momentum", [0.9999999999999998, 1 - 1e-9, 0.9999])
def test_a_momentum_near_1_still_estimates_the_mean_error(momentum: float) -> None:
    perception = ErrorPerception(2, momentum, torch.tensor([10, 10]))
    for _ in range(3):
        perception.update(torch.tensor([[0.3, 0.7]]).log(), torch.tensor([0]))
    assert perception.error_sums()[0].tolist() == pytest.approx([0.0, 7.0], rel=1e-3)


def test_negatives_drawn_by_error_perception_follow_its_weights() -> None:
    perception = ErrorPerception(5, momentum=0.0)
    perception.update(*batch(3))
    weights = perception.weights()
    labels = torch.arange(100_000) % 5
    mask = pseudo_negative_labels(labels, 5, 1, weights, torch.Generator().manual_seed(0))
    for own in range(5):
        others = [k for k in range(5) if k != own]
        counts = mask[labels == own].sum(0).double()
        assert chi_square_is_plausible(counts[others], 20_000 * weights[own, others].double())


def test_two_processes_that_reduce_see_what_one_would() -> None:
    logits, labels = batch(7)
    labels[:20], labels[20:] = labels[:20] % 2, labels[20:] % 3 + 2
    alone, first, second = (ErrorPerception(5, momentum=0.5) for _ in range(3))
    alone.update(logits, labels)
    halves = ((logits[:20], labels[:20]), (logits[20:], labels[20:]))
    sums: list[Tensor] = []

    def record(x: Tensor) -> Tensor:
        sums.append(x.clone())
        return x

    for half in halves:
        ErrorPerception(5).update(*half, reduce=record)
    for perception, half in zip((first, second), halves, strict=True):
        perception.update(*half, reduce=lambda x: sums[0] + sums[1])
    assert sums[0].shape == (5, 6)
    torch.testing.assert_close(first.error_sums(), alone.error_sums())
    torch.testing.assert_close(second.error_sums(), alone.error_sums())


def test_update_takes_half_precision_and_no_gradient() -> None:
    perception = ErrorPerception(5, momentum=0.0)
    logits, labels = batch(0)
    perception.update(logits.to(torch.bfloat16).requires_grad_(), labels.to(torch.int32))
    assert perception.mass.dtype == torch.float32
    assert not perception.mass.requires_grad
    perception.update(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long))
    torch.testing.assert_close(perception.error_sums(), torch.tensor(loop_mass(logits, labels, 5)), rtol=0, atol=0.05)


def test_state_goes_round_and_is_a_copy() -> None:
    source, target = ErrorPerception(5), ErrorPerception(5)
    source.update(*batch(0))
    state = source.state_dict()
    target.load_state_dict(state)
    assert torch.equal(target.mass, source.mass)
    kept = target.mass.clone()
    source.update(*batch(1))
    state["mass"].zero_()
    assert torch.equal(target.mass, kept)
    with pytest.raises(ValueError, match="shape"):
        ErrorPerception(4).load_state_dict(source.state_dict())


def test_a_state_of_the_version_that_kept_sums_alone_is_refused() -> None:
    perception = ErrorPerception(5)
    with pytest.raises(ValueError, match="of an earlier version"):
        perception.load_state_dict({"mass": torch.ones(5, 5)})
    assert torch.count_nonzero(perception.mass) == 0


def test_wrong_perception_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="`num_classes` to be at least 2"):
        ErrorPerception(1)
    for momentum in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"`momentum` to be in \[0, 1\]"):
            ErrorPerception(5, momentum)
    with pytest.raises(ValueError, match="`momentum` to be below 1"):
        ErrorPerception(5, 1.0)
    for counts in (torch.ones(4), torch.tensor([1, 2, 3, 4, -1])):
        with pytest.raises(ValueError, match="`class_counts` to be 5 numbers"):
            ErrorPerception(5, class_counts=counts)
    with pytest.raises(ValueError, match=r"`logits` to have shape \(2, 5\)"):
        ErrorPerception(5).update(torch.zeros(2, 4), torch.tensor([0, 1]))
    with pytest.raises(ValueError, match="`labels` to be an integer"):
        ErrorPerception(5).update(torch.zeros(2, 5), torch.zeros(2))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_step_that_overflowed_leaves_its_rows_as_they_were(value: float) -> None:
    perception = ErrorPerception(3, momentum=0.5)
    perception.update(torch.tensor([[0.0, 2.0, 0.0], [2.0, 0.0, 0.0]]), torch.tensor([0, 1]))
    before = perception.mass.clone()
    perception.update(torch.tensor([[value, value, 0.0], [2.0, 0.0, 0.0]]), torch.tensor([0, 1]))
    assert torch.equal(perception.mass[0], before[0])
    assert perception.mass[1, 0] > before[1, 0]
    assert perception.weights().isfinite().all()
