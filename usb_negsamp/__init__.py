"""NS3L, DNLL and SPL for the semi-supervised learning toolkit USB (``semilearn``).

Importing this package is light: neither ``semilearn`` nor ``torchvision`` is loaded until :func:`register`,
:func:`wrap` or :func:`train` is called, or a network is asked of a :class:`Run`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from usb_negsamp.errors import ConfigError

if TYPE_CHECKING:
    from usb_negsamp.run.finished_runs.run import Run
    from usb_negsamp.run.finished_runs.trained import train

__version__ = "0.1.0"
__all__ = ["ConfigError", "Run", "__version__", "register", "train", "wrap"]

_LATER = {"Run": "usb_negsamp.run.finished_runs.run", "train": "usb_negsamp.run.finished_runs.trained"}
"""Names that are looked up where they are first used: they stand on what stands on this module."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


def register() -> list[str]:
    """Repair the host, add our algorithms, data sets and networks to it, and return the names it now knows from us.

    Calling it again changes nothing and returns the same names. The host loads it by the entry point
    ``semilearn.plugins``, in every process.

    Raises:
        ConfigError: an algorithm of somebody else already has one of our names.
    """
    from usb_negsamp.algorithms import register_algorithms

    return register_algorithms()


def wrap(algorithm: type[Any] | str, *wrappers: str) -> type[Any]:
    """Return ``algorithm`` (a host algorithm class, or its registered name) with our losses around it.

    Args:
        algorithm: any subclass of the host's ``AlgorithmBase``, or the name it is registered under.
        wrappers: names of wrappers, innermost first, e.g. ``"ns3l"``.

    Raises:
        ConfigError: unknown algorithm or wrapper; the message names the nearest known one.
    """
    from usb_negsamp.algorithms import wrap_algorithm

    return wrap_algorithm(algorithm, *wrappers)
