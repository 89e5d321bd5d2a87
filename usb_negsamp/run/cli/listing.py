"""``usb-negsamp list``: the names that a configuration can use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.cli.config_tables import config_tables
from usb_negsamp.run.configuration import choices
from usb_negsamp.run.configuration.headers import config_paths
from usb_negsamp.run.configuration.keys import OWN_KEYS, keys_of_methods, markdown_table

KINDS = ("algorithms", "wrappers", "datasets", "nets", "configs", "keys")
LISTED_TOGETHER = KINDS[:4]


def list_names(words: Sequence[str]) -> int:
    """Print the names of one kind, or of every kind but the configurations and the keys; return the exit code.

    Raises:
        ConfigError: an unknown kind or option.
    """
    rest = list(words)
    kind = rest.pop(0) if rest and not rest[0].startswith("-") else None
    if kind is not None and kind not in KINDS:
        raise unknown("kind of names", kind, KINDS)
    if kind == "keys":
        _print_keys(rest)
        return 0
    if kind == "configs" and rest == ["--markdown"]:
        print(config_tables())
        return 0
    if rest:
        raise ConfigError(f"unexpected {rest[0]!r}; expected one kind of: {', '.join(KINDS)}")
    import usb_negsamp

    usb_negsamp.register()
    for name in [kind] if kind else LISTED_TOGETHER:
        if kind is None:
            print(f"{name}:")
        for line in _LISTS[name]():
            print(line if kind else f"  {line}")
    return 0


def markdown_tables() -> str:
    """Return the README's table of keys: ours for every run, then those of each wrapper and of Dual Student."""
    import usb_negsamp

    usb_negsamp.register()
    return markdown_table((*OWN_KEYS, *keys_of_methods()))


def _algorithms() -> list[str]:
    return choices.algorithms()


def _wrappers() -> list[str]:
    from usb_negsamp.algorithms import WRAPPERS

    return sorted(WRAPPERS)


def _nets() -> list[str]:
    return [*choices.nets(), "timm:NAME", "torchvision:NAME"]


_LISTS: dict[str, Callable[[], list[str]]] = {
    "algorithms": _algorithms,
    "wrappers": _wrappers,
    "datasets": choices.datasets,
    "nets": _nets,
    "configs": config_paths,
}


def _print_keys(options: list[str]) -> None:
    """Print every key of an algorithm with its default; with ``--markdown``, the table of our own keys."""
    if options == ["--markdown"]:
        print(markdown_tables())
        return
    algorithm = "fixmatch"
    if options:
        flag, equals, value = options[0].partition("=")
        value = value if equals else " ".join(options[1:2])
        if flag != "--algorithm" or not value or len(options) > (1 if equals else 2):
            raise ConfigError(f"unexpected {' '.join(options)!r}; expected --algorithm NAME or --markdown")
        algorithm = value
    import usb_negsamp
    from usb_negsamp.run.configuration.resolution import definitions_for

    usb_negsamp.register()
    if algorithm not in choices.algorithms():
        raise unknown("algorithm", algorithm, choices.algorithms())
    own = {own.name for own in OWN_KEYS}
    for name, key in sorted(definitions_for(algorithm).items()):
        mark = "*" if name in own else " "
        print(f"{mark} {name:<24} {key.default!s:<18} {' '.join(key.meaning.split())}".rstrip())
