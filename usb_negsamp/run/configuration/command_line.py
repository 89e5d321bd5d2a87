"""Splitting words of a command line into a configuration file and ``key: text`` pairs. Knows no key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from usb_negsamp.errors import ConfigError

CONFIG_FLAGS = ("c", "config")
_NUMBER = re.compile(r"^-\.?[0-9]")


@dataclass
class Request:
    """What a command line asks for. A value of ``None`` is a flag without a value."""

    config_file: str | None = None
    given: dict[str, str | None] = field(default_factory=dict)


def parse(words: Sequence[str]) -> Request:
    """Read ``--c FILE --key value --key=value --flag``; dashes and underscores in a key are the same.

    Raises:
        ConfigError: a word that belongs to no key.

    >>> parse(["--c", "a.yaml", "--num-labels=40", "--overwrite", "--ulb_imb_ratio", "-100"])
    Request(config_file='a.yaml', given={'num_labels': '40', 'overwrite': None, 'ulb_imb_ratio': '-100'})
    """
    request = Request()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "-c":
            word = "--c"
        if not word.startswith("--") or word == "--":
            raise ConfigError(f"unexpected {word!r} on the command line; expected --key value")
        key, equals, value = word[2:].partition("=")
        text: str | None = value if equals else None
        if not equals and rest and not is_flag(rest[0]):
            text = rest.pop(0)
        key = key.replace("-", "_")
        if key in CONFIG_FLAGS:
            if not text:
                raise ConfigError("--c needs a file, e.g. --c vat_ns3l_digits")
            request.config_file = text
        else:
            request.given[key] = text
    return request


def is_flag(word: str) -> bool:
    """Return whether ``word`` begins something new instead of being the value of the word before it.

    >>> [is_flag(word) for word in ("--lr", "-c", "-3e-4", "-", "0.1")]
    [True, True, False, False, False]
    """
    return word.startswith("-") and len(word) > 1 and not _NUMBER.match(word)
