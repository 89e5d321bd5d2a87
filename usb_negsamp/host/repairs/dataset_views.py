"""The arguments of ``BasicDataset`` (V21, V22).

What is wrong: ``datasets/cv_datasets/datasetbase.py`` refuses unlabeled data without a strong transform for exactly the
algorithms that need none, and takes them for those that do; the host's main branch has a ``medium_transform`` before
``strong_transform``, and calls it without one itself (Food-101). How it shows: AssertionError for vat; ``'NoneType'``
or ``'bool' object is not callable`` in a loader's worker. How it is mended: the check is turned round; the order of the
positional arguments is told from their types; a wrapped algorithm's name is taken for that of its base. When it may go:
when the host checks what it uses.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from semilearn.datasets.cv_datasets.datasetbase import BasicDataset

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.datasets.extra_views import NO_STRONG_VIEW, name_of_views
from usb_negsamp.host.patching import replace


def by_name(names: tuple[str, ...], values: tuple[Any, ...]) -> dict[str, Any]:
    """Name the positional arguments that follow ``is_ulb``.

    >>> by_name(("medium_transform", "strong_transform", "onehot"), (len, False))
    {'strong_transform': <built-in function len>, 'onehot': False}
    >>> by_name(("strong_transform", "onehot"), (len, False))
    {'strong_transform': <built-in function len>, 'onehot': False}
    """
    two_views = len(values) >= 2 and isinstance(values[1], bool)
    if names[0] == "medium_transform" and two_views:
        names = names[1:]
    elif names[0] != "medium_transform" and len(values) >= 3 and not two_views:
        values = values[1:]
    return dict(zip(names, values, strict=False))


def apply() -> None:
    """Wrap ``BasicDataset.__init__``."""
    original = BasicDataset.__init__
    parameters = [p.name for p in inspect.signature(original).parameters.values() if p.kind == p.POSITIONAL_OR_KEYWORD]
    names = tuple(parameters[parameters.index("is_ulb") + 1 :])

    @functools.wraps(original)
    def __init__(
        self: Any,
        alg: str,
        data: Any,
        targets: Any = None,
        num_classes: int | None = None,
        transform: Any = None,
        is_ulb: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        alg = name_of_views(alg)
        options = {**by_name(names, args), **kwargs}
        strong = options.pop("strong_transform", None)
        host_views = type(self).__getitem__ is BasicDataset.__getitem__
        if is_ulb and strong is None and transform is not None and host_views and alg not in NO_STRONG_VIEW:
            raise ConfigError(f"algorithm {alg!r} takes a strong view of unlabeled data: give strong_transform")
        # Any value passes the host's check, which is the wrong way round.
        options["strong_transform"] = _placeholder if strong is None else strong
        original(self, alg, data, targets, num_classes, transform, is_ulb, **options)
        self.strong_transform = strong

    replace(BasicDataset, "__init__", __init__)


def _placeholder(image: Any) -> Any:
    return image
