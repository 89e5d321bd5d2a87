"""The keys of open-set splits and of domain adaptation: how they are written, what follows, what cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from one_line import assert_one_line

from usb_negsamp.data import CLASS_ORDERS, PROTOCOLS
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.keys import own_key
from usb_negsamp.run.configuration.resolution import Sources, resolve
from usb_negsamp.value_types import class_list, name_list

WriteConfig = Callable[..., str]
OPEN: dict[str, Any] = {
    "num_classes": 6,
    "num_labels": 24,
    "seen_classes": [2, 3, 4, 5, 6, 7],
    "mismatch_ratio": 0.5,
    "num_unlabeled": 200,
}
USPS: dict[str, Any] = {"dataset": "digits", "labeled_dataset": "usps"}

WRONG: list[tuple[dict[str, Any], str]] = [
    ({**OPEN, "mismatch_ratio": 1.2}, "mismatch_ratio: expected a number from 0 to 1, but got 1.2"),
    ({**OPEN, "mismatch_ratio": -0.1}, "mismatch_ratio: expected a number from 0 to 1, but got -0.1"),
    ({**OPEN, "mismatch_ratio": None}, "mismatch_ratio: expected a number with mismatch_protocol fixed_total"),
    ({**OPEN, "num_unlabeled": 0}, "num_unlabeled: expected a whole number above 0, but got 0"),
    ({**OPEN, "num_unlabeled": None}, "num_unlabeled: expected a number with mismatch_protocol fixed_total"),
    ({**OPEN, "num_unlabeled": 5000}, "unseen class 0 has 143 images, but 0 labeled + 626 unlabeled"),
    ({**OPEN, "mismatch_protocol": "whole_pool"}, "num_unlabeled cannot be chosen with mismatch_protocol whole_pool"),
    (
        {**OPEN, "mismatch_protocol": "total"},
        "mismatch_protocol: expected fixed_total, fixed_seen, class_swap or whole_pool",
    ),
    ({**OPEN, "seen_classes": [4], "num_classes": 2}, "a number of at least 2, but got [4]"),
    ({**OPEN, "seen_classes": "2,3,12", "num_classes": 3}, "unknown seen class 12; the classes are 0..9"),
    ({**OPEN, "seen_classes": ["three", "2"], "num_classes": 2}, "unknown seen class 'three'"),
    ({**OPEN, "seen_classes": [True, 2]}, "run.yaml: seen_classes: expected a number of classes, or classes"),
    ({**OPEN, "seen_classes": []}, "run.yaml: seen_classes: expected a number of classes, or classes"),
    ({**OPEN, "num_classes": 10}, "num_classes: expected 6, the number of seen_classes, but got 10"),
    ({**OPEN, "num_labels": 40}, "got 40 labels for 6 seen classes; nearest: 42"),
    ({**OPEN, "lb_imb_ratio": 2}, "lb_imb_ratio: expected 1 with seen_classes, but got 2"),
    ({**OPEN, "class_order": "superclass"}, "class_order superclass needs dataset cifar100"),
    ({**OPEN, "include_lb_to_ulb": True}, "include_lb_to_ulb: expected false with mismatch_protocol fixed_total"),
    ({**OPEN, "dataset": "eurosat"}, "dataset: expected one of cifar10, cifar100, digits"),
    (
        {**OPEN, "ns3l_rule": "oracle"},
        "ns3l_rule oracle reads the labels of unlabeled images, which seen_classes",
    ),
    ({**OPEN, "imb_algorithm": "saw"}, "imb_algorithm saw evaluates the unlabeled images by their labels"),
    ({**OPEN, **USPS}, "seen_classes and labeled_dataset cannot be combined"),
    ({**OPEN, "ood_data": "svnh"}, "unknown ood_data 'svnh'; did you mean 'svhn'?"),
    ({"mismatch_ratio": 0.3}, "mismatch_ratio: expected none without seen_classes"),
    ({"mismatch_protocol": "fixed_total"}, "mismatch_protocol: expected none without seen_classes"),
    ({"num_unlabeled": 100}, "num_unlabeled: expected none without seen_classes"),
    ({"ood_data": ["svhn"]}, "ood_data: expected none without seen_classes"),
    (
        {**USPS, "labeled_dataset": "digits"},
        "expected two data sets, or image_folder with two folders, but got digits f",
    ),
    ({"labeled_dir": "pictures"}, "labeled_dir: expected none for digits, which come with scikit-learn, but got pict"),
    ({"unlabeled_dir": "pictures"}, "unlabeled_dir: expected none for digits, which come with scikit-learn, but got"),
    ({**USPS, "unlabeled_dir": "pictures"}, "unlabeled_dir: expected none for digits"),
    ({"dataset": "mnist", "labeled_dir": "pictures"}, "expected two data sets, or image_folder with two folders, but"),
    ({"dataset": "image_folder", "labeled_dir": "./data"}, "expected two data sets, but got image_folder in ./data"),
    ({"ulb_num_labels": 3}, "ulb_num_labels: expected none with dataset digits, but got 3"),
    ({**USPS, "ulb_num_labels": 3}, "ulb_num_labels: expected none with dataset digits, but got 3"),
    (
        {"dataset": "eurosat", "validation_size": 50},
        "validation_size: expected none with dataset eurosat, which the ho",
    ),
    ({"dataset": "eurosat", "horizontal_flip": False}, "horizontal_flip: expected none with dataset eurosat, which th"),
    ({"dataset": "cifar10", "horizontal_flip": False}, "none with dataset cifar10 as the host loads it, but got False"),
    ({**USPS, "labeled_dataset": "upss"}, "unknown labeled_dataset 'upss'; did you mean 'usps'?"),
    ({**USPS, "labeled_dataset": "yelp_review"}, "labeled_dataset: expected one of cifar10"),
    ({**USPS, "unlabeled_dataset": "mnist"}, "dataset: expected none or one of usps and mnist, but got digits"),
    ({**USPS, "include_lb_to_ulb": True}, "include_lb_to_ulb: expected false with labeled_dataset"),
    ({**USPS, "ulb_imb_ratio": 3}, "ulb_imb_ratio: expected 1 with labeled_dataset, but got 3"),
]


@pytest.mark.parametrize(("changes", "fragment"), WRONG, ids=lambda value: str(value)[-50:])
def test_what_cannot_be_is_one_line(
    changes: dict[str, Any],
    fragment: str,
    write_config: WriteConfig,
    work_dir: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_one_line(["train", "--c", write_config(**changes)], fragment, work_dir, capsys)


def resolved(file: dict[str, Any], **given: str | None) -> Any:
    return resolve(Sources("run.yaml" if file else None, {"algorithm": "fixmatch", **file}, given)).args


@pytest.mark.parametrize("text", ["2,3,4,5,6,7", "[2,3,4,5,6,7]", "[2, 3, 4, 5, 6, 7]"])
def test_seen_classes_are_read_alike_from_the_command_line_and_the_file(text: str) -> None:
    expected = resolved({"seen_classes": [2, 3, 4, 5, 6, 7]})
    for args in (resolved({}, seen_classes=text), resolved({"seen_classes": text})):
        assert args.seen_classes == expected.seen_classes == [2, 3, 4, 5, 6, 7]
        assert args.num_classes == expected.num_classes == 6


def test_names_and_a_number_of_classes_are_read() -> None:
    assert resolved({}, seen_classes="bird,cat,deer").seen_classes == ["bird", "cat", "deer"]
    assert resolved({}, seen_classes="bird,cat,deer").num_classes == 3
    assert resolved({"seen_classes": 50}).num_classes == resolved({}, seen_classes="50").num_classes == 50
    assert resolved({}, seen_classes="none").seen_classes is None


@pytest.mark.parametrize("value", [True, 2.5, {"a": 1}, "", [], [[1]], [None]])
def test_what_is_no_list_of_classes_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        class_list(value)


@pytest.mark.parametrize("value", [3, "", [], [""], [3]])
def test_what_is_no_list_of_names_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        name_list(value)


def test_the_head_is_as_wide_as_there_are_seen_classes_also_over_a_preset() -> None:
    keys = {"algorithm": "vat_ns3l", "dataset": "cifar10", "preset": "ns3l", "num_labels": 2400}
    open_set = resolved({**keys, "seen_classes": 6, "mismatch_ratio": 0.3, "num_unlabeled": 20_000})
    assert open_set.num_classes == 6
    assert open_set.ns3l_threshold == pytest.approx(0.4 / 6)
    assert resolved(keys).num_classes == 10


def test_the_protocol_decides_whether_the_pool_holds_labeled_images() -> None:
    assert resolved({**OPEN}).include_lb_to_ulb is False
    assert resolved({**OPEN, "mismatch_protocol": "whole_pool"}).include_lb_to_ulb is True


def test_with_two_data_sets_all_is_labeled_and_the_second_is_the_data_set() -> None:
    args = resolved({"labeled_dataset": "usps", "unlabeled_dataset": "mnist"})
    assert (args.dataset, args.num_labels, args.include_lb_to_ulb) == ("mnist", None, False)
    assert args.save_name == f"fixmatch_usps_mnist_{args.seed}"
    assert resolved({"labeled_dataset": "usps", "dataset": "mnist", "num_labels": 50}).num_labels == 50


def test_runs_of_two_mismatches_have_two_names() -> None:
    names = {resolved({**OPEN, "mismatch_ratio": ratio}).save_name for ratio in (0.0, 0.3)}
    assert names == {"fixmatch_cifar10_mismatch0_24_1", "fixmatch_cifar10_mismatch0.3_24_1"}


def test_the_choices_are_those_of_the_data_side() -> None:
    for name, choices in (("class_order", CLASS_ORDERS), ("mismatch_protocol", PROTOCOLS)):
        key = own_key(name)
        assert key is not None
        assert key.choices == choices


def test_an_unknown_name_of_the_file_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="did you mean 'seen_classes'"):
        resolved({"seen_clases": 6})
