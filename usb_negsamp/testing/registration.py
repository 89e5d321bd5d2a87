"""How other processes come to know an algorithm that only the caller's process has registered."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.plugins import call_named


def as_text(register: str | Callable[[], Any] | None) -> str | None:
    """``register`` as a line that another process can follow: ``module``, ``module:function`` or ``file.py:function``.

    A file gets its whole path.

    Raises:
        ConfigError: a function that is not at the top level of a module or script.
    """
    if register is None:
        return None
    if isinstance(register, str):
        # The other process works in a folder of its own.
        file, colon, function = register.rpartition(":")
        return f"{os.path.abspath(file)}:{function}" if colon and file.endswith(".py") else register
    name, module = getattr(register, "__qualname__", ""), getattr(register, "__module__", None)
    if not inspect.isfunction(register) or module is None or "." in name or "<" in name:
        raise ConfigError(
            "register: expected 'package.module', 'package.module:function', or a function at the top level of a "
            f"module, which another process can import, but got {register!r}"
        )
    if module == "__main__":
        module = os.path.abspath(inspect.getfile(register))
    return f"{module}:{name}"


def follow(register: str) -> None:
    """Import what ``register`` names, and call its function.

    Raises:
        ConfigError: there is no such module, file or function.
    """
    call_named(register, "register")
