"""NS3L, DNLL and SPL for the semi-supervised learning toolkit USB (``semilearn``).

Importing this package is light: neither ``semilearn`` nor ``torchvision`` is loaded until :func:`register`,
:func:`wrap` or :func:`train` is called, or a network is asked of a :class:`Run`.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from usb_negsamp.errors import ConfigError

if TYPE_CHECKING:
    from usb_negsamp.run.from_python.run import Run
    from usb_negsamp.run.from_python.trained import train

__version__ = "0.1.0"
__all__ = ["ConfigError", "Run", "__version__", "register", "train", "wrap"]

_LATER = {"Run": "usb_negsamp.run.from_python.run", "train": "usb_negsamp.run.from_python.trained"}
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
    ``semilearn.plugins``, in every process. What the host has by itself is left to it, with a line in the log of each
    run and in ``usb-negsamp doctor``: names of algorithms, and parts that a repair does not know.

    Raises:
        ConfigError: an algorithm of somebody else already has one of our names.
    """
    try:
        from usb_negsamp.algorithms import register_algorithms
    except (ImportError, AttributeError) as error:
        if not _is_of_the_host(error):
            raise
        logging.getLogger(__name__).warning("usb-negsamp steps aside for this host, which lacks a part: %s", error)
        return []
    return register_algorithms()


def _is_of_the_host(error: ImportError | AttributeError) -> bool:
    """Whether it is a part of ``semilearn`` that is not there, rather than ``semilearn`` as a whole."""
    part = error.name if isinstance(error, ImportError) else getattr(error.obj, "__name__", None)
    return str(part).startswith("semilearn.")


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
