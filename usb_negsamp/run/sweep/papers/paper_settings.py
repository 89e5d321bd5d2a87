"""Which configurations of a paper's table are asked for, and where what they train is not what the paper trained."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import ConfigError, did_you_mean
from usb_negsamp.key import former_names
from usb_negsamp.run.configuration.keys import affects_of, checked_keys

OF_THE_SPLIT = ("seed", "split_seed")
"""Keys that a table has several values of in any case."""


def chosen_names(names: Sequence[str], only: str) -> list[str]:
    """Return those of ``names`` that are one of the texts in ``only``, or have it among their words, in their order.

    Words are what stands between underscores; a text may be several that follow each other.

    Args:
        names: of configurations.
        only: texts between commas.

    Raises:
        ConfigError: a text that is neither.

    >>> chosen_names(["table1_cifar10_vat", "table1_cifar100_vat", "table1_cifar10_vat_ns3l"], "cifar10")
    ['table1_cifar10_vat', 'table1_cifar10_vat_ns3l']
    >>> chosen_names(["table1_cifar10_vat", "table1_cifar10_vat_ns3l"], "table1_cifar10_vat")
    ['table1_cifar10_vat']
    """
    chosen: set[str] = set()
    for text in (part.strip() for part in only.split(",")):
        found = {text} & set(names) or {name for name in names if text and f"_{text}_" in f"_{name}_"}
        if not found:
            words = {word for name in names for word in name.split("_")}
            hint = did_you_mean(text, [*words, *names]) or f"; there are {', '.join(names)}"
            raise ConfigError(f"--only: expected names, or words of names, between commas, but got {text!r}{hint}")
        chosen |= found
    return [name for name in names if name in chosen]


@dataclass(frozen=True)
class Override:
    """A key that has another value than a paper's configuration gives it."""

    key: str
    value: Any
    of_paper: Any


def overrides(
    given: Iterable[str], config: Mapping[str, Any], of_paper: Mapping[str, Any], but: Collection[str] = OF_THE_SPLIT
) -> tuple[Override, ...]:
    """Return what of the ``given`` keys makes a run another one than the paper's.

    Args:
        given: keys, also by earlier names.
        config: the run's, resolved with them.
        of_paper: the configuration resolved without them.
        but: keys that may differ.
    """
    names = former_names(checked_keys())
    keys = dict.fromkeys(names.get(key, key) for key in given)
    return tuple(
        Override(key, config[key], of_paper.get(key))
        for key in keys
        if key in config
        and key not in but
        and affects_of(key) in ("result", "start", "length")
        and config[key] != of_paper.get(key)
    )
