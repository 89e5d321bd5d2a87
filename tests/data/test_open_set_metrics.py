"""Scores and figures that tell seen classes from unseen ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from usb_negsamp.data.open_set_metrics import (
    aupr,
    auroc,
    confident_pseudo_labels,
    energy_score,
    evenly_spaced,
    keeping_threshold,
    max_softmax_score,
    open_accuracy,
    separation,
)

# Few different values, so that ties are common.
SCORES = arrays(np.float64, st.integers(1, 12), elements=st.sampled_from([-2.0, 0.0, 0.25, 0.5, 3.0]))


def differ(seen: np.ndarray, unseen: np.ndarray) -> bool:
    return len(np.unique(np.concatenate([seen, unseen]))) > 1


@given(seen=SCORES, unseen=SCORES)
def test_auroc_is_the_share_of_pairs_in_the_right_order(seen: np.ndarray, unseen: np.ndarray) -> None:
    found = auroc(seen, unseen)
    if not differ(seen, unseen):
        assert found is None
        return
    pairs = (seen[:, None] > unseen).mean() + 0.5 * (seen[:, None] == unseen).mean()
    assert found == pytest.approx(pairs)
    assert auroc(unseen, seen) == pytest.approx(1 - pairs)


@given(seen=SCORES, unseen=SCORES)
def test_aupr_sums_precision_over_the_steps_of_recall(seen: np.ndarray, unseen: np.ndarray) -> None:
    if not differ(seen, unseen):
        assert aupr(seen, unseen) is None
        return
    area, before = 0.0, 0.0
    for threshold in np.unique(np.concatenate([seen, unseen]))[::-1]:
        hits, retrieved = (seen >= threshold).sum(), (seen >= threshold).sum() + (unseen >= threshold).sum()
        area += (hits / len(seen) - before) * hits / retrieved
        before = hits / len(seen)
    assert aupr(seen, unseen) == pytest.approx(area)
    assert aupr(-unseen, -seen, positive="unseen") == pytest.approx(area)


def test_aupr_of_an_unknown_side_is_an_error() -> None:
    with pytest.raises(ValueError, match="'seen' or 'unseen', but got 'both'"):
        aupr(np.array([1.0]), np.array([0.0]), positive="both")


@pytest.mark.parametrize(
    ("seen", "unseen"),
    [([], [1.0]), ([1.0], []), ([0.5, 0.5], [0.5]), ([float("nan"), 1.0], [0.0]), ([1.0, 2.0], [float("inf")])],
    ids=["no seen", "no unseen", "all equal", "not a number", "infinite"],
)
def test_what_cannot_be_ranked_has_no_figure(seen: list[float], unseen: list[float]) -> None:
    assert auroc(np.array(seen), np.array(unseen)) is None
    assert aupr(np.array(seen), np.array(unseen)) is None
    assert aupr(np.array(seen), np.array(unseen), positive="unseen") is None


def test_scores_of_a_worked_example() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0], [np.log(3.0), 0.0, -np.inf, -np.inf]])
    assert max_softmax_score(logits).tolist() == pytest.approx([0.25, 0.75])
    assert energy_score(logits).tolist() == pytest.approx([np.log(4), np.log(4)])


def test_sure_predictions_are_still_told_apart() -> None:
    """In float32 both probabilities are 1."""
    logits = torch.tensor([[30.0, 0.0], [20.0, 0.0]])
    assert torch.equal(logits.softmax(1).amax(1), torch.ones(2))
    surer, less_sure = max_softmax_score(logits).tolist()
    assert surer > less_sure


@given(scores=SCORES, share=st.sampled_from([0.1, 0.5, 0.95, 1.0]))
def test_the_threshold_keeps_the_share_and_no_higher_one_does(scores: np.ndarray, share: float) -> None:
    threshold = keeping_threshold(scores, share)
    assert threshold is not None
    assert (scores >= threshold).mean() >= share - 1e-9
    higher = scores[scores > threshold]
    assert len(higher) == 0 or (scores >= higher.min()).mean() < share


def test_a_threshold_needs_scores_and_a_share() -> None:
    assert keeping_threshold(np.array([])) is None
    assert keeping_threshold(np.array([1.0, np.nan])) is None
    with pytest.raises(ValueError, match="share of more than 0 and at most 1, but got 0"):
        keeping_threshold(np.array([1.0]), 0.0)


def test_open_accuracy_is_the_mean_recall_with_all_unseen_classes_as_one() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 7, 8, -1])
    predictions = np.array([0, 0, 0, 1, 1, 0, 0, 0, 1])
    rejected = np.array([False, False, True, False, False, False, True, True, False])
    # Class 0: 2 of 4 (one lost, one rejected); class 1: 1 of 2; unseen: 2 of 3.
    assert open_accuracy(predictions, rejected, labels, 2) == pytest.approx((0.5 + 0.5 + 2 / 3) / 3)


def test_open_accuracy_needs_images_of_both_kinds() -> None:
    nothing = np.zeros(2, dtype=bool)
    assert open_accuracy(np.array([0, 1]), nothing, np.array([0, 1]), 2) is None
    assert open_accuracy(np.array([0, 1]), nothing, np.array([2, -1]), 2) is None


def test_separation_counts_higher_and_negative_labels_as_unseen() -> None:
    logits = torch.tensor([[4.0, 0.0], [0.0, 3.0], [0.2, 0.0], [0.0, 0.1]])
    found = separation(logits, torch.tensor([0, 1, 5, -1]), 2)
    assert set(found) == {f"{name}{end}" for name in ("auroc", "aupr", "aupr_unseen") for end in ("", "_energy")}
    assert set(found.values()) == {1.0}
    assert separation(logits, torch.tensor([0, 1, 1, 0]), 2) == {}


def test_a_methods_own_score_is_high_for_unseen_images() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    found = separation(logits, torch.tensor([0, 1, 2]), 2, own_score=torch.tensor([0.1, 0.2, 0.9]))
    assert found == {"auroc_reject": 1.0, "aupr_reject": 1.0, "aupr_unseen_reject": 1.0}, "softmax and energy are equal"


def test_confident_predictions_are_counted_by_kind() -> None:
    sure, unsure = [5.0, 0.0], [0.1, 0.0]
    logits = torch.tensor([sure, sure, unsure, sure, unsure, unsure])
    labels = torch.tensor([0, 1, 0, 2, 2, 3])
    found = confident_pseudo_labels(logits, labels, 2, 0.95)
    assert found == pytest.approx({"confident_seen": 2 / 3, "confident_unseen": 1 / 3, "confident_seen_acc": 0.5})
    assert confident_pseudo_labels(logits[2:3], labels[2:3], 2, 0.95) == {"confident_seen": 0.0}


@given(size=st.integers(1, 300), at_most=st.integers(0, 50))
def test_evenly_spaced_images_are_different_and_span_the_set(size: int, at_most: int) -> None:
    indices = evenly_spaced(size, at_most)
    assert len(indices) == (min(size, at_most) if at_most else size)
    steps = np.diff(indices)
    assert (steps > 0).all()
    assert indices[0] == 0
    if len(indices) > 1:
        assert indices[-1] == size - 1
        assert steps.max() - steps.min() <= 1
