"""One-vs-all classifiers: OpenMatch's losses and IOMatch's targets, against plain Python."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from usb_negsamp.functional import known_probs, one_vs_all_loss, open_consistency, open_entropy, open_targets

SEEDS = st.integers(0, 10**6)
CLASSES = st.integers(1, 7)


def pairs_of(seed: int, k: int, n: int = 6, scale: float = 3.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, 2 * k, generator=generator, dtype=torch.float64)


def labels_of(seed: int, k: int, n: int = 6) -> Tensor:
    return torch.randint(k, (n,), generator=torch.Generator().manual_seed(seed + 1))


def softmax_pairs(row: list[float]) -> list[tuple[float, float]]:
    """(unknown, known) of each class, by a softmax over two logits."""
    found = []
    for k in range(len(row) // 2):
        unknown, known = math.exp(row[2 * k]), math.exp(row[2 * k + 1])
        found.append((unknown / (unknown + known), known / (unknown + known)))
    return found


@given(SEEDS, CLASSES)
def test_every_formula_is_the_papers_image_by_image(seed: int, k: int) -> None:
    logits, other, labels = pairs_of(seed, k), pairs_of(seed + 2, k), labels_of(seed, k)
    probs = (2 * pairs_of(seed + 3, k)[:, :k]).softmax(1)
    losses, entropies, differences, targets = [], [], [], []
    for row, second, label, classes in zip(
        logits.tolist(), other.tolist(), labels.tolist(), probs.tolist(), strict=True
    ):
        mine, others = softmax_pairs(row), softmax_pairs(second)
        hardest = max((-math.log(mine[j][0]) for j in range(k) if j != label), default=0.0)
        losses.append(-math.log(mine[label][1]) + hardest)
        entropies.append(sum(-p * math.log(p) for pair in mine for p in pair) / k)
        differences.append(
            sum((a - b) ** 2 for x, y in zip(mine, others, strict=True) for a, b in zip(x, y, strict=True))
        )
        seen = [p * known for p, (_, known) in zip(classes, mine, strict=True)]
        targets.append([*seen, sum(p * unknown for p, (unknown, _) in zip(classes, mine, strict=True))])
    assert one_vs_all_loss(logits, labels).item() == pytest.approx(sum(losses) / 6, rel=1e-10)
    assert open_entropy(logits).item() == pytest.approx(sum(entropies) / 6, rel=1e-10)
    assert open_consistency(logits, other).item() == pytest.approx(sum(differences) / 6, rel=1e-10)
    known = known_probs(logits)
    assert known.tolist()[0] == pytest.approx([pair[1] for pair in softmax_pairs(logits.tolist()[0])], rel=1e-12)
    found = open_targets(probs, known)
    torch.testing.assert_close(found, torch.tensor(targets, dtype=torch.float64))
    torch.testing.assert_close(found.sum(1), torch.ones(6, dtype=torch.float64))


@given(SEEDS, st.integers(2, 5))
def test_the_gradients_are_right(seed: int, k: int) -> None:
    logits, other = pairs_of(seed, k, n=3).requires_grad_(), pairs_of(seed + 5, k, n=3).requires_grad_()
    labels = labels_of(seed, k, n=3)
    assert torch.autograd.gradcheck(lambda z: one_vs_all_loss(z, labels), logits)
    assert torch.autograd.gradcheck(open_entropy, logits)
    assert torch.autograd.gradcheck(open_consistency, (logits, other))


@given(SEEDS, CLASSES)
def test_losses_are_not_negative_and_do_not_know_the_order_of_the_images(seed: int, k: int) -> None:
    logits, other, labels = pairs_of(seed, k), pairs_of(seed + 2, k), labels_of(seed, k)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    for loss, turned in (
        (one_vs_all_loss(logits, labels), one_vs_all_loss(logits[order], labels[order])),
        (open_entropy(logits), open_entropy(logits[order])),
        (open_consistency(logits, other), open_consistency(logits[order], other[order])),
    ):
        assert loss.item() >= 0
        torch.testing.assert_close(turned, loss)
    assert open_entropy(logits).item() <= math.log(2) + 1e-12
    torch.testing.assert_close(open_consistency(logits, other), open_consistency(other, logits))


def test_only_the_hardest_other_class_and_the_own_one_learn() -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0, -1.0, 0.0, 1.0]], requires_grad=True)
    one_vs_all_loss(logits, torch.tensor([0])).backward()
    assert logits.grad is not None
    assert (logits.grad != 0).tolist() == [[True, True, False, False, True, True]]
    assert logits.grad[0, 1] < 0 < logits.grad[0, 5]


def test_targets_carry_no_gradient_and_both_views_of_the_consistency_do() -> None:
    logits, other = (pairs_of(seed, 3).requires_grad_() for seed in (1, 2))
    assert not open_targets(logits[:, :3].softmax(1), known_probs(logits)).requires_grad
    open_consistency(logits, other).backward()
    assert logits.grad is not None
    assert other.grad is not None
    torch.testing.assert_close(logits.grad[:, 0::2], -logits.grad[:, 1::2])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_under_autocast_too(dtype: torch.dtype) -> None:
    logits, labels = (4 * pairs_of(0, 4)).to(dtype), labels_of(0, 4)
    expected = [one_vs_all_loss(logits.float(), labels), open_entropy(logits.float()), known_probs(logits.float())]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = [one_vs_all_loss(logits, labels), open_entropy(logits), known_probs(logits)]
        targets = open_targets(logits[:, :4].softmax(1), known_probs(logits))
    assert all(value.dtype == torch.float32 for value in (*found, targets))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_sure_classifiers_give_finite_losses_with_a_gradient() -> None:
    logits = torch.tensor([[300.0, -300.0, -300.0, 300.0]], requires_grad=True)
    loss = one_vs_all_loss(logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(1200.0)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.tolist() == [[1.0, -1.0, -1.0, 1.0]]
    entropy = open_entropy(logits)
    assert entropy.item() == 0.0
    assert torch.autograd.grad(entropy, logits)[0].isfinite().all()


def test_no_images_give_no_loss() -> None:
    empty, labels = torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64)
    for loss in (one_vs_all_loss(empty, labels), open_entropy(empty), open_consistency(empty, empty)):
        assert loss.item() == 0.0
    assert open_targets(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0, 4)


def test_wrong_arguments_are_told() -> None:
    two = torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"a floating \(N, 2K\) tensor of K pairs, but got float32 \(2, 3\)"):
        open_entropy(torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"but got int64 \(2, 4\)"):
        known_probs(two.long())
    with pytest.raises(ValueError, match=r"`labels` to be an integer"):
        one_vs_all_loss(two, torch.zeros(2))
    with pytest.raises(ValueError, match=r"`labels` to have 2 entries, but got 3"):
        one_vs_all_loss(two, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"`other` to have shape \(2, 4\), but got \(2, 2\)"):
        open_consistency(two, torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"one shape, but got \(2, 4\) and \(2, 2\)"):
        open_targets(two, torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"floating probabilities, but got torch.float32 and torch.int64"):
        open_targets(two, two.long())
