"""Whether two sources have the same classes."""

from __future__ import annotations

from collections.abc import Sequence

from usb_negsamp.data.sources.image_source import ImageSource
from usb_negsamp.errors import ConfigError


def check_same_classes(labeled: ImageSource, unlabeled: ImageSource) -> None:
    """Refuse two sources whose classes differ in number or, where both have names and not mere numbers, in name.

    Raises:
        ConfigError: they do.
    """
    ours, theirs = labeled.classes, unlabeled.classes
    if len(ours) != len(theirs):
        raise ConfigError(
            f"labeled_dataset {labeled.name!r} and unlabeled_dataset {unlabeled.name!r}: expected the same classes, "
            f"but got {len(ours)} and {len(theirs)}"
        )
    if not _has_names(ours) or not _has_names(theirs):
        return
    for label, (first, second) in enumerate(zip(ours, theirs, strict=True)):
        if first != second:
            raise ConfigError(
                f"labeled_dataset {labeled.name!r} and unlabeled_dataset {unlabeled.name!r}: expected the same "
                f"classes, but class {label} is {first!r} in the one and {second!r} in the other"
            )


def _has_names(classes: Sequence[str]) -> bool:
    return not all(name.isdecimal() for name in classes)
