"""Keys of open-set splits and of domain adaptation that cannot be, or not together."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Collection
from typing import Any

from usb_negsamp.errors import ConfigError, expected, unknown
from usb_negsamp.media import medium_of
from usb_negsamp.run.configuration.derived_keys import ADAPTATION_KEYS, WITH_LABELED
from usb_negsamp.value_types import ALL, AUTO, FOLDER

EVALUATE_UNLABELED = ("adsh", "crest", "saw")
ONLY_WITH_SEEN_CLASSES = (
    "mismatch_ratio",
    "mismatch_protocol",
    "num_unlabeled",
    "class_order",
    "ood_data",
    "open_reject",
    "open_eval_images",
)


OF_OUR_LOADERS = ("validation_size", "preprocessing", "augmentation")
"""Keys that the host's own loaders do not carry out; any of them asks for ours, where we have one."""
OF_OWN_PICTURES = ("labels_csv", "skip_bad", "lazy_images", "decoded_dir")
"""Keys that only the reader of a user's own pictures carries out."""
WITHOUT_FOLDER = "digits"
"""The data set that lies in none."""


def check_data(args: Namespace, given: Collection[str]) -> None:
    """Raise :class:`ConfigError` for the first contradiction between the keys that say where images come from.

    What only the images can tell, the loader of the data checks.

    Args:
        args: the resolved configuration.
        given: the keys that the user gave.
    """
    _check_read(args, given)
    seen = getattr(args, "seen_classes", None)
    adapting = [key for key in ADAPTATION_KEYS if getattr(args, key, None)]
    if seen is None:
        needless = [key for key in ONLY_WITH_SEEN_CLASSES if key in given and getattr(args, key) is not None]
        if needless:
            raise expected(needless[0], "none without seen_classes", f"{getattr(args, needless[0])}")
    elif adapting:
        raise ConfigError(f"seen_classes and {adapting[0]} cannot be combined: give one of them")
    else:
        _check_open_set(args, given, seen)
    if adapting:
        _check_adaptation(args, given)
    if seen is not None or adapting:
        key = "seen_classes" if seen is not None else adapting[0]
        _check_even(args, key)
        if args.imb_algorithm in EVALUATE_UNLABELED:
            raise ConfigError(
                f"imb_algorithm {args.imb_algorithm} evaluates the unlabeled images by their labels, which {key} keeps "
                "from the training"
            )
        if getattr(args, "ns3l_rule", None) == "oracle":
            raise ConfigError(
                f"ns3l_rule oracle reads the labels of unlabeled images, which {key} keeps from the training"
            )


def check_own(args: Namespace) -> None:
    """Refuse with other data sets what can be asked of a user's own pictures alone.

    Raises:
        ConfigError: something is asked for.
    """
    names = {key: getattr(args, f"{key}_dataset", None) or args.dataset for key in ("labeled", "unlabeled")}
    asked = {key: getattr(args, key, None) for key in OF_OWN_PICTURES}
    if FOLDER not in names.values():
        for key, value in asked.items():
            if value not in (None, False):
                raise expected(key, f"none with dataset {args.dataset}, since only {FOLDER} reads it", f"{value}")
    elif asked["labels_csv"] is not None and any(getattr(args, key, None) for key in ADAPTATION_KEYS):
        raise expected("labels_csv", "none with labels and images from two data sets", f"{asked['labels_csv']}")
    if asked["decoded_dir"] is not None and asked["lazy_images"]:
        raise expected("decoded_dir", "none with lazy_images, which decodes each time", f"{asked['decoded_dir']}")
    for key, word in (("num_labels", ALL), ("validation_size", AUTO)):
        if getattr(args, key, None) == word and names["labeled"] != FOLDER:
            raise expected(key, f"a number with dataset {names['labeled']}", f"{word}, which only {FOLDER} reads")


def _check_read(args: Namespace, given: Collection[str]) -> None:
    """Refuse what the loader of the data set would not read: ours read no imbalance, the host's none of our keys."""
    from usb_negsamp.data import HOST_SOURCES
    from usb_negsamp.run.configuration.choices import own_datasets

    asked = [key for key in OF_OUR_LOADERS if getattr(args, key, None)]
    flip = args.horizontal_flip if "horizontal_flip" in given else None
    ours = args.dataset in own_datasets() or getattr(args, "seen_classes", None) is not None
    ours = ours or any(getattr(args, key, None) for key in ADAPTATION_KEYS)
    if ours and "ulb_num_labels" in given and args.ulb_num_labels is not None:
        raise expected("ulb_num_labels", f"none with dataset {args.dataset}", f"{args.ulb_num_labels}")
    if medium_of(args.dataset) is not None or not (ours or args.dataset in HOST_SOURCES):
        unread = [key for key in asked if key in given] + (["horizontal_flip"] if flip is not None else [])
        if unread:
            got = f"{getattr(args, unread[0])}"
            raise expected(unread[0], f"none with dataset {args.dataset}, which the host loads", got)
    elif not (ours or asked) and flip is not None:
        raise expected(
            "horizontal_flip",
            f"none with dataset {args.dataset} as the host loads it",
            f"{flip}; preprocessing mean_std loads it by us",
        )


def _check_open_set(args: Namespace, given: Collection[str], seen: Any) -> None:
    if medium_of(args.dataset) is None:
        _check_in_memory("dataset", args.dataset, "seen_classes")
    number = seen if isinstance(seen, int) else len(seen)
    if number < 2:
        raise ConfigError(
            "seen_classes: expected at least 2 classes, as in 0,1,2 or cat,dog, or a number of at least 2, "
            f"but got {seen}"
        )
    if args.num_classes != number:
        raise ConfigError(f"num_classes: expected {number}, the number of seen_classes, but got {args.num_classes}")
    if args.num_labels == ALL:
        raise expected("num_labels", "a multiple of the number of seen classes", ALL)
    if args.num_labels % number:
        near = max(number, round(args.num_labels / number) * number)
        raise ConfigError(
            f"num_labels: expected a multiple of the number of seen classes, but got {args.num_labels} labels "
            f"for {number} seen classes; nearest: {near}"
        )
    if args.class_order == "superclass" and (args.dataset != "cifar100" or not isinstance(seen, int)):
        raise ConfigError(
            "class_order superclass needs dataset cifar100 and a number of seen_classes, "
            f"but got dataset {args.dataset} and seen_classes {seen}"
        )
    _check_protocol(args, given)


def _check_protocol(args: Namespace, given: Collection[str]) -> None:
    protocol = args.mismatch_protocol
    if args.mismatch_ratio is None and protocol != "whole_pool":
        raise expected("mismatch_ratio", f"a number with mismatch_protocol {protocol}, e.g. 0.3", "none")
    counted = protocol not in WITH_LABELED
    if counted and args.num_unlabeled is None:
        raise expected("num_unlabeled", f"a number with mismatch_protocol {protocol}, e.g. 20000", "none")
    if not counted and args.num_unlabeled is not None:
        raise ConfigError(
            f"num_unlabeled cannot be chosen with mismatch_protocol {protocol}, which takes all images of its classes, "
            f"but got {args.num_unlabeled}"
        )
    if "include_lb_to_ulb" in given and args.include_lb_to_ulb is counted:
        right, got = ("false", "true") if counted else ("true", "false")
        raise ConfigError(
            f"include_lb_to_ulb: expected {right} with mismatch_protocol {protocol}, which decides itself whether the "
            f"pool holds labeled images, but got {got}"
        )


def _check_adaptation(args: Namespace, given: Collection[str]) -> None:
    names = {key: getattr(args, key) or args.dataset for key in ("labeled_dataset", "unlabeled_dataset")}
    if args.dataset not in names.values():
        raise ConfigError(
            f"dataset: expected none or one of {names['labeled_dataset']} and {names['unlabeled_dataset']}, "
            f"but got {args.dataset}"
        )
    for key, name in names.items():
        _check_in_memory(key, name, "domain adaptation")
        folder = f"{key.removesuffix('_dataset')}_dir"
        if name == WITHOUT_FOLDER and getattr(args, folder):
            raise expected(folder, f"none for {name}, which come with scikit-learn", f"{getattr(args, folder)}")
    if len(set(names.values())) == 1 and args.dataset != FOLDER:
        raise expected(
            "labeled_dataset and unlabeled_dataset",
            f"two data sets, or {FOLDER} with two folders",
            f"{args.dataset} for both",
        )
    folders = {
        part: os.path.realpath(getattr(args, f"{part}_dir") or args.data_dir) for part in ("labeled", "unlabeled")
    }
    if len(set(names.values())) == 1 and len(set(folders.values())) == 1:
        raise ConfigError(
            f"labeled_dataset and unlabeled_dataset: expected two data sets, but got {args.dataset} in "
            f"{args.data_dir} for both"
        )
    if "include_lb_to_ulb" in given and args.include_lb_to_ulb:
        raise ConfigError("include_lb_to_ulb: expected false with labeled_dataset and unlabeled_dataset, but got true")


def _check_in_memory(key: str, name: str, reader: str) -> None:
    from usb_negsamp.data import HOST_SOURCES, SOURCES
    from usb_negsamp.run.configuration.choices import datasets

    ours = sorted({*SOURCES, *HOST_SOURCES})
    if name in ours:
        return
    if name not in datasets():
        raise unknown(key, name, ours)
    raise ConfigError(f"{key}: expected one of {', '.join(ours)} for {reader}, but got {name}")


def _check_even(args: Namespace, key: str) -> None:
    for name in ("lb_imb_ratio", "ulb_imb_ratio"):
        if getattr(args, name) != 1:
            raise ConfigError(f"{name}: expected 1 with {key}, but got {getattr(args, name):g}")
