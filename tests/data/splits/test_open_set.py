"""Open-set splits: published counts, properties that hold for all options, and each line that says what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usb_negsamp import ConfigError
from usb_negsamp.data import (
    PROTOCOLS,
    OpenSetSplit,
    cifar100_superclass_order,
    labeled_split,
    open_set_split,
    seen_class_indices,
)
from usb_negsamp.functional import safe_ratio

CIFAR10 = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 5000))
ANIMALS = (2, 3, 4, 5, 6, 7)
OTHERS = (0, 1, 8, 9)


def cifar10(**options: Any) -> OpenSetSplit:
    defaults: dict[str, Any] = {
        "seen_classes": ANIMALS,
        "labels_per_class": 400,
        "num_unlabeled": 20_000,
        "mismatch": 0.3,
        "protocol": "fixed_total",
        "validation": 5_000,
        "seed": 0,
    }
    return open_set_split(CIFAR10, **{**defaults, **options})


@pytest.mark.parametrize(
    ("mismatch", "seen", "unseen", "safe"),
    [
        (0.0, 3333, 0, 1.0),
        (0.1, 3000, 500, 0.912),
        (0.2, 2666, 1001, 0.824),
        (0.3, 2333, 1500, 0.736),
        (0.4, 2000, 2000, 0.648),
        (0.5, 1666, 2501, 0.560),
        (0.6, 1333, 3000, 0.472),
        (0.7, 1000, 3500, 0.384),
        (0.8, 666, 4001, 0.296),
        (0.9, 333, 4500, 0.208),
    ],
)
def test_fixed_total_gives_the_published_counts_to_the_image(
    mismatch: float, seen: int, unseen: int, safe: float
) -> None:
    split = cifar10(mismatch=mismatch)
    counts = split.counts
    assert {counts["unlabeled"][label] for label in ANIMALS} == {seen}
    assert {counts["unlabeled"][label] for label in OTHERS} == {unseen}
    assert counts["labeled"] == (0, 0, 400, 400, 400, 400, 400, 400, 0, 0)
    assert counts["validation"] == (500,) * 10
    assert split.mismatch == pytest.approx(mismatch, abs=3e-4)
    assert safe_ratio(split.mismatch, split.labeled_ratio) == pytest.approx(safe, abs=5e-4)


def test_a_pool_of_unseen_classes_alone_needs_all_their_images() -> None:
    split = cifar10(mismatch=1, validation=0)
    assert split.counts["unlabeled"] == (5000, 5000, 0, 0, 0, 0, 0, 0, 5000, 5000)
    assert split.mismatch == 1.0
    with pytest.raises(ConfigError, match=r"unseen class 0 has 5000 images.*5000 unlabeled \+ 500 validation.*3 more"):
        cifar10(mismatch=1)


def test_the_first_half_of_cifar100_gives_the_safe_ratio_of_the_paper() -> None:
    targets = np.arange(50_000) % 100
    options = {"seen_classes": range(50), "labels_per_class": 100, "num_unlabeled": 20_000, "validation": 5_000}
    split = open_set_split(targets, mismatch=0.3, **options)  # type: ignore[arg-type]
    assert split.counts["unlabeled"] == (280,) * 50 + (120,) * 50
    assert safe_ratio(split.mismatch, split.labeled_ratio) == pytest.approx(0.775)
    assert open_set_split(targets, mismatch=0.6, **options).counts["unlabeled"] == (  # type: ignore[arg-type]
        (160,) * 50 + (240,) * 50
    )


def test_a_ratio_that_arithmetic_has_blurred_counts_as_the_decimal_that_was_meant() -> None:
    blurred = 0.1 * 3
    assert blurred != 0.3
    assert cifar10(mismatch=blurred).digest == cifar10(mismatch=0.3).digest


@pytest.mark.parametrize("mismatch", [0.0, 0.25, 0.5, 0.6])
def test_fixed_seen_keeps_the_seen_images_and_adds_unseen_ones_up_to_the_ratio(mismatch: float) -> None:
    split = cifar10(protocol="fixed_seen", num_unlabeled=6_000, mismatch=mismatch)
    base = cifar10(protocol="fixed_seen", num_unlabeled=6_000, mismatch=0)
    assert split.mismatch == pytest.approx(mismatch)
    assert np.array_equal(split.unlabeled[np.isin(CIFAR10[split.unlabeled], ANIMALS)], base.unlabeled)


@pytest.mark.parametrize(
    ("mismatch", "classes"),
    [(0, (4, 5, 6, 7)), (0.25, (0, 5, 6, 7)), (0.5, (0, 1, 6, 7)), (0.75, (0, 1, 8, 7)), (1, (0, 1, 8, 9))],
)
def test_class_swap_takes_all_images_of_the_four_published_classes(mismatch: float, classes: tuple[int, ...]) -> None:
    split = cifar10(protocol="class_swap", num_unlabeled=None, mismatch=mismatch)
    assert split.counts["unlabeled"] == tuple(4500 if label in classes else 0 for label in range(10))
    assert split.mismatch == mismatch
    assert split.includes_labeled
    of_pool = split.labeled[np.isin(CIFAR10[split.labeled], classes)]
    assert np.isin(of_pool, split.unlabeled).all()
    assert not np.isin(split.validation, split.unlabeled).any()


def test_a_ratio_between_whole_classes_names_the_nearest_that_can_be_reached() -> None:
    with pytest.raises(ConfigError, match=r"whole classes of 4; nearest that can: 0\.25 and 0\.5"):
        cifar10(protocol="class_swap", mismatch=0.3)


def test_whole_pool_takes_every_training_image() -> None:
    split = cifar10(protocol="whole_pool", labels_per_class=4, num_unlabeled=None, mismatch=None, validation=0)
    assert np.array_equal(split.unlabeled, np.arange(50_000))
    assert split.mismatch == 0.4
    assert np.isin(split.labeled, split.unlabeled).all()
    assert cifar10(protocol="whole_pool", labels_per_class=4, mismatch=0.4, validation=0).digest == split.digest
    with pytest.raises(ConfigError, match=r"cannot be chosen with protocol whole_pool: 0\.4 of the images"):
        cifar10(protocol="whole_pool", mismatch=0.3)


def test_classes_are_numbered_anew_seen_first_and_both_in_ascending_order() -> None:
    split = cifar10(seen_classes=(7, 3, 2, 6, 5, 4))
    assert split.class_map == {2: 0, 3: 1, 4: 2, 5: 3, 6: 4, 7: 5, 0: 6, 1: 7, 8: 8, 9: 9}
    assert split.num_seen == 6
    assert split.new_targets(np.array([7, 0, 9, 2])).tolist() == [5, 6, 9, 0]
    assert (split.new_targets(CIFAR10)[split.labeled] < split.num_seen).all()
    with pytest.raises(ConfigError, match=r"0\.\.9"):
        split.new_targets(np.array([10]))
    assert split.digest == cifar10().digest


def test_labels_are_those_of_the_closed_split_and_stay_over_mismatches_protocols_and_pool_sizes() -> None:
    closed = labeled_split(CIFAR10, num_labels=4_000, num_classes=10, validation_size=5_000, split_seed=0)
    expected = closed.labeled[np.isin(CIFAR10[closed.labeled], ANIMALS)]
    for options in ({"mismatch": 0.6}, {"num_unlabeled": 600}, {"protocol": "class_swap", "mismatch": 1}):
        split = cifar10(**options)
        assert np.array_equal(split.labeled, expected)
        assert np.array_equal(split.validation, closed.validation)


def test_a_lower_count_of_a_class_is_among_a_higher_one() -> None:
    low, high = cifar10(mismatch=0.3).unlabeled, cifar10(mismatch=0.6).unlabeled
    assert np.isin(low[np.isin(CIFAR10[low], OTHERS)], high).all()
    assert np.isin(high[np.isin(CIFAR10[high], ANIMALS)], low).all()


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    """Targets and options that they can satisfy."""
    num_classes = draw(st.integers(3, 6))
    num_seen = draw(st.integers(2, num_classes - 1))
    sizes = draw(st.lists(st.integers(60, 90), min_size=num_classes, max_size=num_classes))
    targets = np.random.default_rng(draw(st.integers(0, 9))).permutation(np.repeat(np.arange(num_classes), sizes))
    protocol = draw(st.sampled_from(PROTOCOLS))
    pool_classes = min(num_seen, num_classes - num_seen)
    mismatch = {
        "fixed_total": st.sampled_from([0, 0.3, 0.5]),
        "fixed_seen": st.sampled_from([0, 0.2, 0.25]),
        "class_swap": st.integers(0, pool_classes).map(lambda swapped: swapped / pool_classes),
        "whole_pool": st.none(),
    }[protocol]
    return targets, {
        "seen_classes": draw(st.permutations(range(num_classes)))[:num_seen],
        "labels_per_class": draw(st.integers(1, 4)),
        "num_unlabeled": draw(st.integers(30, 40)) if protocol.startswith("fixed") else None,
        "mismatch": draw(mismatch),
        "protocol": protocol,
        "validation": draw(st.integers(0, 40)),
        "seed": draw(st.integers(0, 2**40)),
    }


@settings(max_examples=80, deadline=None)
@given(problems())
def test_the_parts_hold_what_their_counts_say(problem: tuple[np.ndarray, dict[str, Any]]) -> None:
    targets, options = problem
    seen = sorted(options["seen_classes"])
    split = open_set_split(targets, **options)
    for name in ("labeled", "unlabeled", "validation"):
        part = getattr(split, name)
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
        assert tuple(np.bincount(targets[part], minlength=targets.max() + 1)) == split.counts[name]
    assert split.counts["labeled"] == tuple(
        options["labels_per_class"] if label in seen else 0 for label in range(targets.max() + 1)
    )
    assert len(split.validation) == options["validation"]
    assert not np.isin(split.validation, np.union1d(split.labeled, split.unlabeled)).any()
    assert split.mismatch == np.mean(~np.isin(targets[split.unlabeled], seen))
    assert split.labeled_ratio == len(split.labeled) / len(split.unlabeled)
    if options["protocol"].startswith("fixed"):
        assert not np.isin(split.labeled, split.unlabeled).any()
        if options["mismatch"] == 0:
            assert split.mismatch == 0.0


@settings(max_examples=30, deadline=None)
@given(problems())
def test_a_split_depends_on_its_options_alone(problem: tuple[np.ndarray, dict[str, Any]]) -> None:
    targets, options = problem
    first = open_set_split(targets, **options)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index]
    second = open_set_split(targets.astype(np.uint8), **options)
    assert first.digest == second.digest
    assert np.array_equal(first.unlabeled, second.unlabeled)
    assert np.array_equal(before, np.random.get_state()[1])  # type: ignore[index]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("seen_classes", (0, 1, 2, 3, 4, 5)),
        ("labels_per_class", 401),
        ("num_unlabeled", 20_010),
        ("mismatch", 0.300001),
        ("protocol", "fixed_seen"),
        ("validation", 4_999),
        ("seed", 1),
    ],
)
def test_the_digest_changes_with_every_option(option: str, value: Any) -> None:
    base = {"num_unlabeled": 3_000}
    assert cifar10(**{**base, option: value}).digest != cifar10(**base).digest


def test_the_split_of_these_options_is_the_one_of_every_machine() -> None:
    split = open_set_split(
        np.arange(30) % 3,
        seen_classes=[0, 2],
        labels_per_class=2,
        num_unlabeled=8,
        mismatch=0.5,
        protocol="fixed_total",
        validation=3,
        seed=1,
    )
    assert split.labeled.tolist() == [6, 17, 20, 27]
    assert split.unlabeled.tolist() == [1, 10, 11, 12, 16, 19, 21, 29]
    assert split.digest == "1077605432a2c6d82e6b730dea2372902ae209d60ddf2b35a9279014ce50a95a"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mismatch": 1.1}, r"mismatch: expected a number in \[0, 1\], but got 1\.1"),
        ({"mismatch": float("nan")}, "got nan"),
        ({"mismatch": "0.3"}, "mismatch: expected a number"),
        ({"mismatch": True}, "mismatch: expected a number"),
        ({"mismatch": None}, "mismatch: expected a number"),
        ({"seen_classes": (2, 12)}, r"unknown seen class 12; the classes are 0\.\.9, the nearest is 9"),
        ({"seen_classes": (2, -1)}, "unknown seen class -1.*the nearest is 0"),
        ({"seen_classes": (2, 3, 2)}, "holds class 2 twice"),
        ({"seen_classes": (2,)}, "at least 2 classes, but got 1"),
        ({"seen_classes": (2, "cat")}, "whole numbers, but got 'cat'"),
        ({"seen_classes": "2,3"}, "list of classes, but got '2,3'"),
        ({"seen_classes": 3}, "list of classes, but got 3"),
        ({"seen_classes": range(10)}, r"mismatch=0\.3 needs an unseen class, but all 10 classes are seen"),
        ({"seen_classes": range(10), "mismatch": 0, "protocol": "class_swap"}, "needs an unseen class to swap in"),
        ({"labels_per_class": 0}, "labels_per_class: expected"),
        ({"labels_per_class": 5_000}, r"seen class 2 has 5000 images.*5000 labeled.*5 more classes"),
        ({"labels_per_class": 4_501, "protocol": "class_swap", "mismatch": 0}, "4501 labeled \\+ 500 validation"),
        ({"num_unlabeled": 0}, "num_unlabeled: expected"),
        ({"num_unlabeled": None}, "num_unlabeled: expected"),
        ({"num_unlabeled": 7}, "num_unlabeled=7 is too small for mismatch=0.3: 0 images for each of 6 seen"),
        ({"num_unlabeled": 40_000}, r"unlabeled.*are asked of it \(protocol=fixed_total, mismatch=0\.3, num_unl"),
        ({"mismatch": 1, "protocol": "fixed_seen"}, "cannot be reached by protocol fixed_seen"),
        ({"protocol": "fixed_totl"}, "did you mean 'fixed_total'"),
        ({"validation": -1}, "validation: expected"),
        ({"validation": 50_000}, "leaves nothing of 50000 images"),
        ({"seed": 0.5}, "seed: expected"),
    ],
)
def test_each_bad_option_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        cifar10(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (np.array([0, 1, -1, 2]), "but 1 of 4 have none"),
        (np.array([], dtype=np.int64), "needs training images"),
        (np.array([0.5, 1.0]), "vector of integers"),
    ],
)
def test_targets_that_cannot_be_counted_are_refused(targets: np.ndarray, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_set_split(targets, seen_classes=[0, 1], labels_per_class=1, num_unlabeled=4, mismatch=0)


def test_seen_classes_may_be_all_classes_where_nothing_is_mismatched() -> None:
    split = cifar10(seen_classes=range(10), mismatch=0)
    assert split.mismatch == 0.0
    assert split.counts["unlabeled"] == (2000,) * 10


def test_seen_classes_are_found_by_name_and_by_index() -> None:
    names = ["airplane", "automobile", "bird", "cat"]
    assert seen_class_indices(["cat", 0, "2"], names) == (3, 0, 2)
    assert seen_class_indices(["7", "0"], list("7890")) == (0, 3)
    with pytest.raises(ConfigError, match="unknown seen class 'brid'; did you mean 'bird'"):
        seen_class_indices(["brid"], names)
    with pytest.raises(ConfigError, match="the nearest is 3"):
        seen_class_indices([4], names)
    with pytest.raises(ConfigError, match="expected a list"):
        seen_class_indices("cat", names)


def test_the_first_superclasses_of_cifar100_are_the_seen_classes() -> None:
    order = cifar100_superclass_order()
    assert sorted(order) == list(range(100))
    assert order[:5] == (4, 30, 55, 72, 95)  # beaver dolphin otter seal whale
    assert order[-5:] == (41, 69, 81, 85, 89)  # lawn mower, rocket, streetcar, tank, tractor
    assert cifar100_superclass_order(20) == order[:20]


@pytest.mark.parametrize("num_seen", [0, 7, 105])
def test_part_of_a_superclass_is_refused(num_seen: int) -> None:
    with pytest.raises(ConfigError, match="num_seen: expected"):
        cifar100_superclass_order(num_seen)
