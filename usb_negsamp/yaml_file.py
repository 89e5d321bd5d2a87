"""Reading a configuration file: a YAML mapping of names to values, by ruamel.yaml, which the host reads its files with.

Numbers are those of YAML 1.2, where ``3e-3`` is one, as people write learning rates. Beside ``true`` and ``false``,
``yes``, ``no``, ``on`` and ``off`` are truth values, as in most files that people have. Dates are texts.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import YAMLError, YAMLWarning
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.resolver import BaseResolver

from usb_negsamp.errors import ConfigError, quoted

_MOST_CHARACTERS = 1_000_000
_DEEPEST = 50
_LONGEST_PROBLEM = 300
_DIGITS = list("-+.0123456789")
_SCALARS: dict[str, tuple[str, list[str]]] = {
    "bool": (
        "yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        list("yYnNtTfFoO"),
    ),
    "int": ("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _DIGITS),
    "float": (
        r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        _DIGITS,
    ),
    "null": ("~|null|Null|NULL|", ["~", "n", "N", ""]),
    "merge": ("<<", ["<"]),
}
"""What a plain word is read as, in this order, and the characters it may begin with; anything else is a text."""


class ConfigScalars(BaseResolver):
    """What the plain words of our configuration files stand for."""

    def __init__(self, version: Any = None, loader: Any = None) -> None:
        super().__init__(loader)

    @property
    def processing_version(self) -> tuple[int, int]:
        """The version of YAML, which a file's own ``%YAML`` line does not change."""
        return (1, 2)


for _kind, (_pattern, _first) in _SCALARS.items():
    ConfigScalars.add_implicit_resolver_base(f"tag:yaml.org,2002:{_kind}", re.compile(f"(?:{_pattern})$"), _first)


class _Constructor(SafeConstructor):
    """The safe constructor, of a document that was looked through before, with a place in every error."""

    def construct_document(self, node: Node) -> Any:
        _check_keys(node, set())
        if _expanded(node, {}) > _MOST_CHARACTERS:
            problem = f"with its aliases written out it has more than {_MOST_CHARACTERS:,} characters"
            raise ConstructorError(None, None, problem, node.start_mark)
        return super().construct_document(node)

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, TypeError, LookupError, AssertionError) as error:
            value = quoted(node.value) if isinstance(node, ScalarNode) else "this"
            problem = f"{value} is no {str(node.tag).rpartition(':')[2]}"
            raise ConstructorError(None, None, problem, node.start_mark) from error


def _check_keys(node: Node, seen: set[int]) -> None:
    """Refuse a key that is no name or stands twice in one mapping.

    ruamel.yaml has a check of its own, whose message holds both values, however long they are.
    """
    if id(node) in seen or isinstance(node, ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, MappingNode):
        keys: set[str] = set()
        for key, _ in node.value:
            problem = ""
            if not isinstance(key, ScalarNode):
                problem = "a key is no name"
            elif key.value in keys:
                problem = f"the key {quoted(key.value)} is given twice"
            if problem:
                raise ConstructorError(None, None, problem, key.start_mark)
            keys.add(key.value)
    for child in _children(node):
        _check_keys(child, seen)


def _expanded(node: Node, known: dict[int, int | None]) -> int:
    """How many characters and values ``node`` holds with every alias written out; ``known`` has those counted."""
    if id(node) not in known:
        known[id(node)] = None
        own = len(node.value) if isinstance(node, ScalarNode) else 0
        known[id(node)] = 1 + own + sum(_expanded(child, known) for child in _children(node))
    count = known[id(node)]
    if count is None:
        raise ConstructorError(None, None, "a value holds an alias of itself", node.start_mark)
    return count


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def read_yaml(path: str | Path, scalars: type[BaseResolver] = ConfigScalars) -> dict[str, Any]:
    """Return the mapping in the file.

    Args:
        path: the file.
        scalars: what plain words stand for; the default is this module's.

    Raises:
        ConfigError: the file is missing, unreadable, empty, no YAML, or no mapping of names to values.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"expected a YAML file, but {path} is a directory")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no UTF-8 text'}") from error
    try:
        content = _load(text, scalars)
    except YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {_one_line(error, text)}") from error
    except RecursionError as error:
        raise ConfigError(f"{path} is no valid YAML: it is nested too deeply") from error
    if content is None or content == {}:
        raise ConfigError(f"{path} is empty: expected keys and values, e.g. algorithm: vat_ns3l")
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values, but it is a {type(content).__name__}")
    for key in content:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: the key {quoted(key)} is no name")
    return content


def _load(text: str, scalars: type[BaseResolver]) -> Any:
    reader = YAML(typ="safe", pure=True)
    reader.Resolver, reader.Constructor = scalars, _Constructor
    reader.max_depth = _DEEPEST
    with warnings.catch_warnings():
        # They are about what YAML allows: one name for two anchors, of which an alias means the nearest above it.
        warnings.simplefilter("ignore", YAMLWarning)
        return reader.load(text)


def _one_line(error: YAMLError, text: str) -> str:
    """What is wrong, and where, without the values that ruamel.yaml may quote at length."""
    problem = " ".join(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split())
    problem = problem.partition(", if necessary")[0]  # advice to programmers
    if problem.startswith("but "):
        problem = f"{getattr(error, 'context', None)}, {problem}"
    if len(problem) > _LONGEST_PROBLEM:
        problem = f"{problem[:_LONGEST_PROBLEM]} ..."
    mark, position = getattr(error, "problem_mark", None), getattr(error, "position", None)
    if mark is not None:
        return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
    return problem if position is None else f"{problem} (line {text.count(chr(10), 0, position) + 1})"
