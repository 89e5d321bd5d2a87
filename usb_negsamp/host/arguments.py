"""The host's own argument definitions, taken from the parser that the host itself builds.

``semilearn.lighting.config.get_config`` builds an ``ArgumentParser`` with every general argument and, once the
algorithm is known, those of its ``get_argument()``. Running it with a parser that keeps a record gives the definitions
of whichever host is installed, none of them copied here.
"""

from __future__ import annotations

import argparse
import functools
import inspect
import types
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

from usb_negsamp.host import ALGORITHMS, IMB_ALGORITHMS, str2bool
from usb_negsamp.key import Key, by_name

_RENAMED = {"use_amp": "amp"}  # V24: the flag of the host's git main; its algorithms read args.amp


def argument_definitions(algorithm: str, imb_algorithm: str | None = None) -> dict[str, Key]:
    """Return the host's definitions for these two algorithms, both of which must be registered.

    Where an algorithm defines an argument that the general part (or the other algorithm) has too, the later one counts.
    """
    classes = (ALGORITHMS[algorithm], None if imb_algorithm is None else IMB_ALGORITHMS[imb_algorithm])
    return dict(_definitions_of(algorithm, imb_algorithm, classes))


@functools.cache
def _definitions_of(algorithm: str, imb_algorithm: str | None, classes: tuple[type, type | None]) -> dict[str, Key]:
    """Cached as long as the names stand for these ``classes``: a sweep asks for each of its runs."""
    from semilearn.lighting import config

    parsers: list[argparse.ArgumentParser] = []

    class RecordingParser(argparse.ArgumentParser):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "conflict_handler": "resolve"})
            parsers.append(self)

    shim = types.ModuleType("argparse")
    shim.__dict__.update(vars(argparse), ArgumentParser=RecordingParser)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(config, "argparse", shim))
        # The host looks for a free port by a shell command; nobody here uses that port.
        stack.enter_context(mock.patch.object(config, "get_port", return_value=11111))
        config.get_config({"algorithm": algorithm, "imb_algorithm": imb_algorithm})
    actions = [action for action in parsers[-1]._actions if action.dest not in ("help", "c")]
    definitions = [_definition(action) for action in actions]
    return by_name(definitions)


def sampler_names() -> list[str]:
    """Names that ``train_sampler`` may have: those of samplers that need no more than the host's loader gives them."""
    from semilearn.datasets.samplers import name2sampler

    first = {name: next(iter(inspect.signature(sampler).parameters)) for name, sampler in name2sampler.items()}
    return sorted(name for name, parameter in first.items() if parameter == "dataset")


def optimizer_names() -> list[str]:
    """Names that ``optim`` may have: the two that the host's ``get_optimizer`` compares with, and Adam."""
    from usb_negsamp.host.options.optimizer import NAMES

    return list(NAMES)


def net_names() -> list[str]:
    """Names of the host's networks: the builders in ``semilearn.nets``."""
    from semilearn import nets

    return sorted(name for name, value in vars(nets).items() if inspect.isfunction(value) and not name.startswith("_"))


def algorithms_reading(key: str) -> list[str]:
    """Return the registered algorithms, imbalanced ones included, whose ``get_argument()`` has ``key``."""
    return [name for keys in own_keys() for name, own in keys.items() if key in own]


def own_keys() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The keys of every registered algorithm's ``get_argument()``, and those of the imbalanced ones."""
    found = []
    for registry in (ALGORITHMS, IMB_ALGORITHMS):
        names = list(registry.keys())  # the host's registry is no mapping
        found.append({name: [_dest(argument.name) for argument in registry[name].get_argument()] for name in names})
    return found[0], found[1]


def _dest(flag: str) -> str:
    return flag.lstrip("-").replace("-", "_")


def _definition(action: argparse.Action) -> Key:
    kind: Callable[[Any], Any] = str if action.type is None else action.type  # type: ignore[assignment]
    if action.nargs == 0 or kind is str2bool:
        kind = bool
    default = action.default
    if isinstance(default, str) and kind is not str:
        default = str2bool(default) if kind is bool else kind(default)
    elif kind is float and isinstance(default, int) and not isinstance(default, bool):
        default = float(default)
    return Key(_RENAMED.get(action.dest, action.dest), kind, default, action.help or "")
