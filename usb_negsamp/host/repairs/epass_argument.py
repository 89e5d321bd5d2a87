"""CoMatch and SimMatch of the host's main branch without a configuration file (V23).

What is wrong: ``algorithms/comatch/comatch.py`` and ``simmatch/simmatch.py`` read ``args.use_epass``, which neither
``get_argument()`` nor ``train.py`` knows. How it shows: AttributeError unless the YAML sets it. How it is mended: it is
one of their arguments, off by default as in the host's own files. When it may go: when the host declares it.
"""

from __future__ import annotations

import functools
from typing import Any

from semilearn.algorithms.comatch.comatch import CoMatch
from semilearn.algorithms.simmatch.simmatch import SimMatch
from semilearn.algorithms.utils import SSL_Argument, str2bool

from usb_negsamp.host.patching import replace


def reads_epass(algorithm: type[Any]) -> bool:
    """Whether this host's version of ``algorithm`` reads ``args.use_epass``."""
    return "use_epass" in algorithm.set_model.__code__.co_names


def _declare(algorithm: type[Any]) -> None:
    get_argument_of_host, init_of_host = algorithm.get_argument, algorithm.__init__

    @functools.wraps(get_argument_of_host)
    def get_argument() -> list[Any]:
        arguments = list(get_argument_of_host())
        if all(argument.name != "--use_epass" for argument in arguments):
            arguments.append(SSL_Argument("--use_epass", str2bool, False, "add several projectors' heads"))
        return arguments

    @functools.wraps(init_of_host)
    def __init__(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        if not hasattr(args, "use_epass"):
            args.use_epass = False
        init_of_host(self, args, *rest, **kwargs)

    replace(algorithm, "get_argument", staticmethod(get_argument))
    replace(algorithm, "__init__", __init__)


def apply() -> None:
    """Declare ``use_epass`` where it is read."""
    for algorithm in (CoMatch, SimMatch):
        if reads_epass(algorithm):
            _declare(algorithm)
