"""Values that follow from other keys of the data, where the user gives none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from usb_negsamp.media import settled_keys
from usb_negsamp.value_types import FOLDER

ADAPTATION_KEYS = ("labeled_dataset", "unlabeled_dataset", "labeled_dir", "unlabeled_dir")
WITH_LABELED = ("class_swap", "whole_pool")
"""Protocols whose pool holds the labeled images of its classes."""


def derive(values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Return what follows for keys that are not ``given``.

    ``seen_classes`` says how many classes the head has and ``mismatch_protocol`` whether the pool holds labeled images;
    with two data sets all images of the first are labeled, and ``dataset`` is the second. A user's own pictures say
    themselves how many classes they have. Texts and sounds leave no choice of some keys.

    Raises:
        ConfigError: those pictures are not there, or have fewer than two classes.

    >>> derive({"seen_classes": [2, 3, 7], "mismatch_protocol": "whole_pool"}, {"seen_classes"})
    {'num_classes': 3, 'include_lb_to_ulb': True}
    >>> derive({"labeled_dataset": "usps", "unlabeled_dataset": "mnist", "dataset": "cifar10"}, {"labeled_dataset"})
    {'num_labels': None, 'include_lb_to_ulb': False, 'dataset': 'mnist'}
    >>> derive({"dataset": "ag_news", "use_cat": True, "vat_embed": False}, {"dataset"})
    {'use_cat': False, 'vat_embed': True}
    """
    follows: dict[str, Any] = {}
    seen = values.get("seen_classes")
    if seen is not None:
        follows["num_classes"] = seen if isinstance(seen, int) else len(seen)
        follows["include_lb_to_ulb"] = values["mismatch_protocol"] in WITH_LABELED
    elif any(values.get(key) for key in ADAPTATION_KEYS):
        follows["num_labels"] = None
        follows["include_lb_to_ulb"] = False
        follows["dataset"] = values.get("unlabeled_dataset") or values.get("labeled_dataset") or values["dataset"]
    follows.update(settled_keys({**values, **follows}))
    if seen is None and "num_classes" not in given and _has_own_labels({**values, **follows}):
        follows["num_classes"] = _classes_of_own(values)
    return {key: value for key, value in follows.items() if key not in given}


def _has_own_labels(values: Mapping[str, Any]) -> bool:
    return bool((values.get("labeled_dataset") or values.get("dataset")) == FOLDER)


def _classes_of_own(values: Mapping[str, Any]) -> int:
    from usb_negsamp.data.sources.own_pictures.listing import class_names

    labels = values.get("labels_csv")
    folder = Path(values.get("labeled_dir") or values["data_dir"]).expanduser()
    return len(class_names(folder, None if labels is None else Path(labels).expanduser()))
