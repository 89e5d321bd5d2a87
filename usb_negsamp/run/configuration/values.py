"""Turning what a file or the command line says into the type that a key has."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

from usb_negsamp.errors import ConfigError, shortened

_TRUE = ("yes", "true", "t", "y", "1", "on")
_FALSE = ("no", "false", "f", "n", "0", "off")
_NAMES: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def convert(key: str, kind: Callable[[Any], Any], value: Any, nullable: bool, where: str) -> Any:
    """Return ``value`` as ``kind``.

    Args:
        key: the key's name, for the message.
        kind: bool, int, float, str, or a conversion from a string.
        value: what YAML or the command line gave.
        nullable: whether "no value" is legal; then ``None``, ``"None"`` and ``"null"`` mean it.
        where: the file, or the command line, for the message.

    Raises:
        ConfigError: the value is none of that kind.

    >>> convert("lr", float, "3e-3", False, "x.yaml")
    0.003
    >>> convert("num_train_iter", int, 1e3, False, "x.yaml")
    1000
    >>> convert("gpu", int, "None", True, "x.yaml") is None
    True
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in ("none", "null", "~")):
        if nullable:
            return None
        if value is None or kind is not str:
            raise _wrong(key, kind, "nothing" if value is None else value, where)
    converters = {bool: _to_bool, int: _to_int, float: _to_float, str: _to_str}
    try:
        return converters.get(kind, kind)(value)  # type: ignore[call-overload]
    except (ValueError, TypeError, OverflowError, argparse.ArgumentTypeError) as error:
        raise _wrong(key, kind, value, where) from error


def _wrong(key: str, kind: Callable[[Any], Any], value: Any, where: str) -> ConfigError:
    expected = _NAMES.get(kind, getattr(kind, "__name__", "another type"))
    shown = value if value == "nothing" else shortened(value)
    return ConfigError(f"{where}: {key} must be {expected}, got {shown}")


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(value)


def _to_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _to_int(value: Any) -> int:
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            value = float(value)
    number = _to_float(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _to_str(value: Any) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(value)
    return str(value)
