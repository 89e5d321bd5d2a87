"""Reading a configuration file: a YAML mapping, with the numbers of YAML 1.2.

PyYAML follows YAML 1.1, where ``3e-3`` is a string; people write learning rates that way.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from usb_negsamp.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """The safe loader, with floats of YAML 1.2, that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} is given twice", key_node.start_mark
                )
            if isinstance(key_node.value, str):
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in the file; an empty file gives an empty mapping.

    Raises:
        ConfigError: the file is missing, unreadable, no YAML, or no mapping of names to values.
    """
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"expected a YAML file, but {path} is a directory")
    if not path.exists():
        near = f"; {path.parent} has: {_neighbors(path.parent)}" if path.parent.is_dir() else ""
        raise ConfigError(f"configuration file {path} does not exist{near}")
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {_one_line(error)}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must be a mapping of keys to values, but it is a {type(content).__name__}")
    for key in content:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: the key {key!r} is no name")
    return content


def _neighbors(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir() if entry.suffix in (".yaml", ".yml"))
    return (", ".join(names[:8]) + (", ..." if len(names) > 8 else "")) or "no YAML file"


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
    return " ".join(str(problem).split()) + where
