"""Other people's algorithms, data sets and networks: what the key ``plugin`` names, and the installed plugins.

A plugin is a function without arguments. It may add to the host's registry (``ALGORITHMS["mymatch"] = MyMatch``, from
:mod:`usb_negsamp.host`), to :data:`usb_negsamp.data.SOURCES` and to :data:`usb_negsamp.nets.NETS`; wrapped names
(``mymatch_ns3l``) follow by themselves.
"""

from __future__ import annotations

import functools
import importlib
import os
import runpy
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import usb_negsamp
from usb_negsamp.errors import ConfigError, unknown

GROUP = "semilearn.plugins"
CHOSEN = "USB_PLUGINS"
"""Environment variable: the installed plugins to load, between commas; empty: none; not set: all."""
OURS = "negsamp"
SCRIPT_NAME = "__usb_negsamp_plugin__"
"""A script that is run under this name does not do what it does under ``"__main__"``."""

_called: set[str] = set()


def load_plugins(named: Iterable[str]) -> None:
    """Call the installed plugins and those that are ``named``, each once a process, and let ours see what they added.

    Args:
        named: as the key ``plugin`` has them: ``module``, ``module:function`` or ``file.py:function``.

    Raises:
        ConfigError: there is no such plugin, or it fails.
    """
    for plugin in installed_plugins():
        call_once(f"{GROUP}:{plugin.name}", partial(_call_installed, plugin), f"the plugin {plugin.name!r}")
    for text in named:
        call_once(text, partial(call_named, text, "plugin"), f"the plugin {text!r}")
    usb_negsamp.register()


def installed_plugins() -> list[EntryPoint]:
    """The plugins of others that are installed and, where :data:`CHOSEN` is set, chosen by it.

    Raises:
        ConfigError: one is chosen that is not installed.
    """
    # A package that is found twice on the path has its entry points twice.
    found = {plugin.name: plugin for plugin in found_on(tuple(sys.path))}
    chosen = os.environ.get(CHOSEN)
    if chosen is None:
        wanted = set(found)
    else:
        wanted = {name.strip() for name in chosen.split(",") if name.strip()}
        for name in sorted(wanted - set(found)):
            raise unknown(f"plugin in {CHOSEN}", name, found)
    return [plugin for name, plugin in sorted(found.items()) if name in wanted - {OURS}]


@functools.cache
def found_on(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The installed plugins where Python looks at ``path``. Read once: it opens a file of every installed package."""
    return tuple(entry_points(group=GROUP))


def _call_installed(plugin: EntryPoint) -> None:
    plugin.load()()


def call_once(key: str, call: Callable[[], Any], name: str) -> None:
    """Make ``call`` unless one of that ``key`` has been made in this process.

    Raises:
        ConfigError: it failed.
    """
    if key in _called:
        return
    try:
        call()
    except ConfigError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigError(f"{name} failed: {reason}") from error
    _called.add(key)


def call_named(text: str, what: str) -> None:
    """Import the module or run the file that ``text`` names, and call its function; the working directory is looked in.

    Args:
        text: ``module``, ``module:function`` or ``file.py:function``.
        what: the key or argument that names it, for the message.

    Raises:
        ConfigError: there is no such module, file or function.
    """
    module, _, function = text.rpartition(":") if not text.endswith(".py") and ":" in text else (text, "", "")
    directory = os.getcwd()
    if directory not in sys.path:
        sys.path.append(directory)
    try:
        is_file = module.endswith(".py")
        members = runpy.run_path(module, run_name=SCRIPT_NAME) if is_file else vars(importlib.import_module(module))
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{what}: expected a module to import, or a file, but {text!r} gives {reason}") from error
    if not function:
        return
    if not callable(members.get(function)):
        raise ConfigError(f"{what}: expected a function {function!r} in {module}, but there is none")
    members[function]()
