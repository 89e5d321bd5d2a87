"""What is asked for: a configuration file and ``key: text`` pairs, by words or from Python. Knows no key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from usb_negsamp.errors import ConfigError, expected, quoted

COMMAND_LINE = "command line"
CONFIG_FLAGS = ("c", "config")
_NUMBER = re.compile(r"^-\.?[0-9]")


@dataclass
class Request:
    """What a command line, or a call from Python, asks for.

    Attributes:
        config_file: the configuration file, if any.
        given: keys that win over it, and their texts, from Python their values; None is a flag without a value.
        values: a configuration in the place of a file; None without one.
        where: what errors name as the place of ``given``.
    """

    config_file: str | None = None
    given: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] | None = field(default=None, repr=False)
    where: str = field(default=COMMAND_LINE, repr=False)


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


def from_python(config: str | os.PathLike[str] | Mapping[str, Any] | None, keys: Mapping[str, Any]) -> Request:
    """The request of a call ``train(config, **keys)``.

    Raises:
        ConfigError: a configuration that is neither a file nor a mapping.

    >>> from_python("a.yaml", {"num_labels": 40, "overwrite": True, "seen_classes": None})
    Request(config_file='a.yaml', given={'num_labels': 40, 'overwrite': True, 'seen_classes': 'none'})
    """
    # No value is a value here; for a command line it is a flag.
    given = {key: "none" if value is None else _plain(value) for key, value in keys.items()}
    if isinstance(config, Mapping):
        values = {str(key).replace("-", "_"): _plain(value) for key, value in config.items()}
        return Request(None, given, values, where="keyword arguments")
    if config is None or isinstance(config, (str, os.PathLike)):
        return Request(None if config is None else os.fspath(config), given, where="keyword arguments")
    raise expected("config", "the path or the name of a configuration file, or a dictionary", quoted(config))


def words_of(request: Request) -> list[str]:
    """A command line that asks for the same, as a run records it.

    >>> words_of(from_python({"lr": 0.1, "amp": False}, {"seen_classes": ["cat", "dog"], "lr": 0.2}))
    ['--lr', '0.2', '--amp', 'false', '--seen_classes', 'cat,dog']
    """
    words = [] if request.config_file is None else ["--c", request.config_file]
    for key, value in {**(request.values or {}), **request.given}.items():
        words += [f"--{key}", "none" if value is None else _text(value)]
    return words


def _plain(value: Any) -> Any:
    """What a file could hold: paths as texts, numbers of NumPy as Python's."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0 else value


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(map(_text, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_flag(word: str) -> bool:
    """Return whether ``word`` begins something new instead of being the value of the word before it.

    >>> [is_flag(word) for word in ("--lr", "-c", "-3e-4", "-", "0.1")]
    [True, True, False, False, False]
    """
    return word.startswith("-") and len(word) > 1 and not _NUMBER.match(word)
