"""Reading a configuration file: a YAML mapping, with the numbers of YAML 1.2.

PyYAML follows YAML 1.1, where ``3e-3`` is a string; people write learning rates that way.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from usb_negsamp.errors import ConfigError, did_you_mean

_INT, _FLOAT, _TIMESTAMP = (f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "timestamp"))


class _Loader(yaml.SafeLoader):
    """The safe loader, with the numbers of YAML 1.2 and no dates, that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            problem = None
            if not isinstance(key_node.value, str):
                problem = "a key is no name"
            elif key_node.value in seen:
                problem = f"the key {key_node.value!r} is given twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        """Read ``010`` as ten, which YAML 1.1 reads as eight."""
        text = str(self.construct_scalar(node))
        return int(text, 0) if text.lstrip("-+").startswith(("0o", "0x")) else int(text)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (_INT, _FLOAT, _TIMESTAMP)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_DIGITS = list("-+.0123456789")
_Loader.add_implicit_resolver(_INT, re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), _DIGITS)
_Loader.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^(?:[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    _DIGITS,
)
_Loader.add_constructor(_INT, _Loader.construct_whole_number)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Return the mapping in the file; an empty file gives an empty mapping.

    Raises:
        ConfigError: the file is missing, unreadable, no YAML, or no mapping of names to values.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise ConfigError(f"expected a YAML file, but {path} is a directory")
        if not path.exists():
            raise ConfigError(f"configuration file {path} does not exist{_near(path)}")
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {' '.join(str(error).split())}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no valid YAML: {_one_line(error)}") from error
    except ConfigError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"{path} is no valid YAML: {reason}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values, but it is a {type(content).__name__}")
    for key in content:
        if not isinstance(key, str):
            raise ConfigError(f"{path}: the key {key!r} is no name")
    return content


def _near(path: Path) -> str:
    """What the folder has instead: the nearest name, or the first ones."""
    if not path.parent.is_dir():
        return ""
    names = sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in (".yaml", ".yml"))
    shown = (", ".join(names[:8]) + (", ..." if len(names) > 8 else "")) or "no YAML file"
    return did_you_mean(path.stem, [name.rpartition(".")[0] for name in names]) or f"; {path.parent} has: {shown}"


def _one_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark is not None else ""
    return " ".join(str(problem).split()) + where
