"""Names of algorithms (V30).

What is wrong: ``core/utils/registry.py`` prints the error of a module that cannot be imported and forgets it, answers
an unknown name with a bare KeyError, and lets a second algorithm silently take the name of a first. How it shows:
``KeyError: 'comatch'`` for a name that the documentation has; the wrong algorithm is trained. How it is mended: asked
for a name, the registry imports its module once more and says why it fails, or names the nearest; a name cannot change
hands. When it may go: when the host's registry does that.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

from semilearn import algorithms, imb_algorithms
from semilearn.core.utils import registry
from semilearn.core.utils.registry import Register

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host.patching import replace, replace_everywhere

KINDS = {"algorithms": "algorithm", "imb_algorithms": "imbalance algorithm"}


class UnknownName(ConfigError, KeyError):
    """Nothing is registered under this name. A KeyError too, since the host's callers expect one."""

    def __str__(self) -> str:
        # KeyError would show the quoted text.
        return str(self.args[0])


def _reason(registry_name: str, key: str) -> str | None:
    """Why the host's own algorithm ``key`` is not registered; None if it has no such algorithm."""
    for package, modules in registry.ALL_MODULES:
        if package.rpartition(".")[2] != registry_name:
            continue
        if key not in modules:
            shipped = key.isidentifier() and importlib.util.find_spec(f"{package}.{key}") is not None
            return "this version of the host ships it but does not load it" if shipped else None
        try:
            importlib.import_module(f"{package}.{key}")
        except Exception as error:
            return f"its module cannot be imported ({type(error).__name__}: {error})"
    return None


def missing(register: Any, key: Any) -> UnknownName:
    """Return the error for a ``key`` that ``register`` does not hold."""
    kind = KINDS.get(register._name, register._name)
    reason = _reason(register._name, str(key))
    if reason is None:
        return UnknownName(*unknown(kind, str(key), map(str, register.keys())).args)
    return UnknownName(" ".join(f"{kind} {key!r} cannot be used: {reason}".split()))


def _same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    # A notebook cell that is run again, or a module that is reloaded, defines the same thing anew.
    home = [(getattr(value, "__module__", None), getattr(value, "__qualname__", None)) for value in (one, other)]
    return home[0] == home[1] and None not in home[0]


def apply() -> None:
    """Replace the look-up and the assignment of ``Register``; wrap the two functions that build algorithms."""
    set_item_of_host = Register.__setitem__
    get_algorithm_of_host = algorithms.get_algorithm
    get_imb_algorithm_of_host = imb_algorithms.get_imb_algorithm

    @functools.wraps(Register.__getitem__)
    def __getitem__(self: Any, key: Any) -> Any:
        if key in self:
            return self._dict[key]
        raise missing(self, key)

    @functools.wraps(set_item_of_host)
    def __setitem__(self: Any, key: Any, value: Any) -> None:
        name = getattr(value, "__name__", None) if key is None else key
        held = self._dict.get(name)
        if held is None:
            set_item_of_host(self, key, value)
        elif _same(held, value):
            self._dict[name] = value
        else:
            where = f"{getattr(held, '__module__', '?')}.{getattr(held, '__qualname__', held)}"
            kind = KINDS.get(self._name, self._name)
            raise ConfigError(f"{kind} {name!r} is already registered by {where}; choose another name")

    @functools.wraps(get_algorithm_of_host)
    def get_algorithm(args: Any, *rest: Any, **kwargs: Any) -> Any:
        if args.algorithm not in registry.ALGORITHMS:
            raise missing(registry.ALGORITHMS, args.algorithm)
        return get_algorithm_of_host(args, *rest, **kwargs)

    @functools.wraps(get_imb_algorithm_of_host)
    def get_imb_algorithm(args: Any, *rest: Any, **kwargs: Any) -> Any:
        if args.imb_algorithm not in registry.IMB_ALGORITHMS:
            raise missing(registry.IMB_ALGORITHMS, args.imb_algorithm)
        return get_imb_algorithm_of_host(args, *rest, **kwargs)

    replace(Register, "__getitem__", __getitem__)
    replace(Register, "__setitem__", __setitem__)
    replace_everywhere(get_algorithm_of_host, get_algorithm)
    replace_everywhere(get_imb_algorithm_of_host, get_imb_algorithm)
