"""Properties of the labeled, unlabeled and validation parts."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usb_negsamp import ConfigError
from usb_negsamp.data import Split, labeled_split


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    """Targets, some without a label, and options that they can satisfy."""
    num_classes = draw(st.integers(2, 6))
    sizes = draw(st.lists(st.integers(8, 30), min_size=num_classes, max_size=num_classes))
    without_label = draw(st.integers(0, 5))
    targets = np.repeat(np.arange(-1, num_classes), [without_label, *sizes])
    np.random.default_rng(draw(st.integers(0, 9))).shuffle(targets)
    options: dict[str, Any] = {
        "num_labels": num_classes * draw(st.integers(1, 3)),
        "num_classes": num_classes,
        "validation_size": draw(st.integers(0, min(sizes))),
        "split_seed": draw(st.integers(0, 2**40)),
    }
    return targets, options


def same(first: Split, second: Split) -> bool:
    parts = ("labeled", "unlabeled", "validation")
    return all(np.array_equal(getattr(first, part), getattr(second, part)) for part in parts)


@settings(max_examples=80, deadline=None)
@given(problems())
def test_the_parts_are_disjoint_cover_everything_and_are_balanced(problem: tuple[np.ndarray, dict[str, Any]]) -> None:
    targets, options = problem
    split = labeled_split(targets, **options)
    together = np.concatenate([split.labeled, split.unlabeled, split.validation])
    assert np.array_equal(np.sort(together), np.arange(len(targets)))
    for part in (split.labeled, split.unlabeled, split.validation):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()

    per_class = options["num_labels"] // options["num_classes"]
    assert np.bincount(targets[split.labeled], minlength=options["num_classes"]).tolist() == (
        [per_class] * options["num_classes"]
    )
    assert len(split.validation) == options["validation_size"]
    known = targets[targets >= 0]
    exact = options["validation_size"] * np.bincount(known) / len(known)
    drawn = np.bincount(targets[split.validation], minlength=options["num_classes"])
    assert (np.abs(drawn - exact) < 1).all()
    assert np.isin(np.flatnonzero(targets == -1), split.unlabeled).all()


@settings(max_examples=40, deadline=None)
@given(problems())
def test_a_split_depends_on_its_options_alone(problem: tuple[np.ndarray, dict[str, Any]]) -> None:
    targets, options = problem
    first = labeled_split(targets, **options)
    np.random.seed(1)
    random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    second = labeled_split(targets.astype(np.int32), **options)
    assert same(first, second)
    assert first.digest == second.digest
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


TARGETS = np.arange(200) % 4
OPTIONS: dict[str, Any] = {"num_labels": 40, "num_classes": 4, "validation_size": 20, "split_seed": 0}


@pytest.mark.parametrize(
    ("option", "value"), [("num_labels", 44), ("validation_size", 21), ("split_seed", 1), ("num_classes", 5)]
)
def test_the_digest_changes_with_every_option(option: str, value: int) -> None:
    targets = TARGETS if option != "num_classes" else np.arange(200) % 5
    changed = labeled_split(targets, **{**OPTIONS, option: value})
    assert changed.digest != labeled_split(TARGETS, **OPTIONS).digest


def test_the_digest_changes_with_the_targets() -> None:
    assert labeled_split(TARGETS[::-1], **OPTIONS).digest != labeled_split(TARGETS, **OPTIONS).digest


def test_the_split_of_these_options_is_the_one_of_every_machine() -> None:
    split = labeled_split(np.arange(20) % 2, num_labels=4, num_classes=2, validation_size=4, split_seed=1)
    assert split.labeled.tolist() == [4, 11, 13, 18]
    assert split.validation.tolist() == [2, 6, 17, 19]
    assert split.digest == "d735b0477075ba16e946d8f22f1cfbfcb86cfa2f3bd727a6eaf4840c868ed855"


def test_a_data_sets_own_fold_is_the_labeled_part_of_its_number() -> None:
    folds = (np.arange(40), np.arange(100, 140))
    for number, fold in enumerate(folds):
        split = labeled_split(TARGETS, **{**OPTIONS, "split_seed": number}, folds=folds)
        assert split.labeled.tolist() == fold.tolist()
        assert np.bincount(TARGETS[split.validation]).tolist() == [5] * 4
        together = np.concatenate([split.labeled, split.unlabeled, split.validation])
        assert np.array_equal(np.sort(together), np.arange(len(TARGETS)))
        assert split.digest != labeled_split(TARGETS, **{**OPTIONS, "split_seed": number}).digest


def test_folds_of_unequal_classes_are_taken_as_they_are() -> None:
    fold = np.array([0, 1, 2, 4, 8, 12])
    split = labeled_split(TARGETS, num_labels=6, num_classes=4, validation_size=0, split_seed=0, folds=(fold,))
    assert split.labeled.tolist() == fold.tolist()
    assert len(split.unlabeled) == len(TARGETS) - 6


def test_another_number_of_labels_than_the_folds_is_drawn_as_ever() -> None:
    split = labeled_split(TARGETS, **OPTIONS, folds=(np.arange(8),))
    assert same(split, labeled_split(TARGETS, **OPTIONS))


def test_a_fold_that_is_not_there_is_one_line() -> None:
    line = "^split_seed: expected 0 to 1, because the data set defines 2 parts of 40 labeled images, but got 2$"
    with pytest.raises(ConfigError, match=line):
        labeled_split(TARGETS, **{**OPTIONS, "split_seed": 2}, folds=(np.arange(40), np.arange(40, 80)))


def test_fewer_labels_are_among_more_labels_and_validation_stays() -> None:
    few = labeled_split(TARGETS, **{**OPTIONS, "num_labels": 8})
    many = labeled_split(TARGETS, **OPTIONS)
    assert np.isin(few.labeled, many.labeled).all()
    assert np.array_equal(few.validation, many.validation)


def test_all_images_may_be_labeled_even_where_classes_differ_in_size() -> None:
    targets = np.array([0] * 10 + [1] * 17 + [-1] * 3)
    split = labeled_split(targets, num_labels=22, num_classes=2, validation_size=5, split_seed=0)
    assert len(split.labeled) == 22
    assert split.unlabeled.tolist() == [27, 28, 29]


@pytest.mark.parametrize(("num_labels", "nearest"), [(41, "nearest that can: 40 and 44"), (3, "nearest that can: 4$")])
def test_labels_that_cannot_be_shared_name_the_nearest_that_can(num_labels: int, nearest: str) -> None:
    with pytest.raises(ConfigError, match=nearest):
        labeled_split(TARGETS, **{**OPTIONS, "num_labels": num_labels})


def test_a_class_with_too_few_images_is_named_with_counts() -> None:
    targets = np.array([0] * 30 + [1] * 6)
    with pytest.raises(ConfigError, match="class 1 has 6 images, but 10 labeled and 1 validation images"):
        labeled_split(targets, num_labels=20, num_classes=2, validation_size=5, split_seed=0)


def test_a_class_without_images_is_named() -> None:
    with pytest.raises(ConfigError, match="class 4 has 0 images"):
        labeled_split(TARGETS, **{**OPTIONS, "num_classes": 5})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_labels": 0}, "num_labels: expected"),
        ({"num_labels": 0.5}, "num_labels: expected"),
        ({"num_classes": 3}, r"targets: expected -1\.\.2"),
        ({"split_seed": -1}, "split_seed: expected"),
        ({"validation_size": 0.1}, "validation_size: expected"),
        ({"validation_size": 200}, "leaves nothing"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        labeled_split(TARGETS, **{**OPTIONS, **options})


def test_targets_that_are_no_class_indices_are_refused() -> None:
    with pytest.raises(ConfigError, match="vector of integers"):
        labeled_split(TARGETS / 2, **OPTIONS)


def test_validation_images_can_be_the_same_number_of_every_class() -> None:
    targets = np.repeat([0, 1, 2], [60, 20, 40])
    options: dict[str, Any] = {"num_labels": 6, "num_classes": 3, "validation_size": 12, "split_seed": 0}
    by_size = labeled_split(targets, **options)
    equal = labeled_split(targets, **options, validation_shares="equal")
    assert np.bincount(targets[by_size.validation]).tolist() == [6, 2, 4]
    assert np.bincount(targets[equal.validation]).tolist() == [4, 4, 4]
    assert equal.digest != by_size.digest
    assert labeled_split(targets, **options, validation_shares="proportional").digest == by_size.digest


def test_validation_images_that_cannot_be_shared_are_refused() -> None:
    options: dict[str, Any] = {"num_labels": 6, "num_classes": 3, "split_seed": 0}
    targets = np.repeat([0, 1, 2], [60, 20, 40])
    with pytest.raises(ConfigError, match=r"validation_size=13 cannot be shared equally by 3 classes.*: 12$"):
        labeled_split(targets, **options, validation_size=13, validation_shares="equal")
    with pytest.raises(ConfigError, match="unknown validation_shares 'equel'; did you mean 'equal'"):
        labeled_split(targets, **options, validation_size=12, validation_shares="equel")


SIZES = (12, 30, 9)


def shares(num_labels: int, **options: Any) -> list[int]:
    """Labels of each class of three sizes, in an uneven split."""
    targets = np.repeat(np.arange(3), SIZES)
    keys = {"num_classes": 3, "validation_size": 0, "split_seed": 0, "uneven": True, **options}
    split = labeled_split(targets, num_labels=num_labels, **keys)
    assert len(split.labeled) == num_labels
    return np.bincount(targets[split.labeled], minlength=3).tolist()


def test_what_is_left_of_equal_shares_goes_to_the_largest_classes() -> None:
    assert [shares(number) for number in (3, 4, 5, 6, 26)] == [[1, 1, 1], [1, 2, 1], [2, 2, 1], [2, 2, 2], [9, 9, 8]]
    assert shares(sum(SIZES)) == list(SIZES)


def test_uneven_labels_are_reproducible_and_among_those_of_more_labels() -> None:
    targets = np.repeat(np.arange(3), SIZES)

    def split(num_labels: int, seed: int) -> Any:
        return labeled_split(
            targets, num_labels=num_labels, num_classes=3, validation_size=6, split_seed=seed, uneven=True
        )

    assert split(7, 1).digest == split(7, 1).digest
    assert split(7, 1).digest != split(7, 2).digest
    assert set(split(7, 1).labeled) < set(split(8, 1).labeled)
    assert np.array_equal(split(7, 1).validation, split(8, 1).validation)


def test_a_multiple_is_split_as_where_only_multiples_are_allowed() -> None:
    targets = np.repeat(np.arange(3), SIZES)
    keys: dict[str, Any] = {"num_labels": 9, "num_classes": 3, "validation_size": 5, "split_seed": 3}
    assert labeled_split(targets, **keys, uneven=True).digest == labeled_split(targets, **keys).digest


def test_errors_name_classes() -> None:
    with pytest.raises(ConfigError, match="class cow has 9 images, but 10 labeled and 0 validation"):
        shares(30, classes=("ant", "bee", "cow"))
    with pytest.raises(ConfigError, match="num_labels: expected a whole number of at least 3, but got 2"):
        shares(2)
    targets = np.array([0, 0, 1, 2])
    with pytest.raises(ConfigError, match="class bee has 1 images, none of which is left to be labeled"):
        labeled_split(
            targets,
            num_labels=1,
            num_classes=3,
            validation_size=3,
            split_seed=0,
            uneven=True,
            classes=("ant", "bee", "cow"),
        )
