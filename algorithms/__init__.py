"""Our algorithms, one folder each, laid out as in the host's ``semilearn/algorithms``.

Names are ``<host algorithm>_<wrapper>`` for every algorithm that the host registers, also with several wrappers, in the
order of ``WRAPPERS`` (``fixmatch_ns3l_dnll``); ``ns3l`` and ``dnll`` alone train on the labeled loss and their own, and
take the later wrappers (``ns3l_spl``). ``dualstudent`` is an algorithm of ours that wraps like one of the host's: NS3L
goes around each of its two networks, and DNLL couples those that are there.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from usb_negsamp.algorithms.dnll import DNLL, DNLLWrapper
from usb_negsamp.algorithms.dualstudent import DualStudent, add_wrapper
from usb_negsamp.algorithms.dualstudent.pair import StudentPair
from usb_negsamp.algorithms.dualstudent.settings import PairSettings, StudentSettings
from usb_negsamp.algorithms.ns3l import NS3L, NS3LWrapper
from usb_negsamp.algorithms.spl import SPLWrapper
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose
from usb_negsamp.key import Key

WRAPPERS: dict[str, type[Wrapper]] = {"ns3l": NS3LWrapper, "dnll": DNLLWrapper, "spl": SPLWrapper}
ALONE: dict[str, type[Any]] = {"ns3l": NS3L, "dnll": DNLL, "dualstudent": DualStudent}
WITHIN_PAIR = ("ns3l", "dnll")
"""Wrappers that a pair of students takes in; SPL masks the trained pair from outside."""

_registered: dict[str, type[Any]] = {}


def method_keys() -> tuple[Key, ...]:
    """The keys of every method here, each once."""
    return tuple(
        key
        for settings in (*(wrapper.settings_class for wrapper in WRAPPERS.values()), PairSettings, StudentSettings)
        for key in settings.all_keys()
    )


def host_names() -> list[str]:
    """Names in the host's registry that are not ours, sorted."""
    return sorted(name for name in ALGORITHMS.keys() if name not in _registered)  # noqa: SIM118 (no iteration)


def wrapper_chains(name: str) -> list[tuple[str, ...]]:
    """The wrappers that go around an algorithm, one or several in their order; around a wrapper's own, the later ones.

    >>> wrapper_chains("ns3l")
    [('dnll',), ('spl',), ('dnll', 'spl')]
    """
    order = list(WRAPPERS)
    outside = order[order.index(name) + 1 :] if name in order else order
    return [chain for length in range(1, len(outside) + 1) for chain in combinations(outside, length)]


def wrap_algorithm(algorithm: type[Any] | str, *wrappers: str) -> type[Any]:
    """See :func:`usb_negsamp.wrap`."""
    if not wrappers:
        raise ConfigError(f"expected at least one wrapper of {sorted(WRAPPERS)}, but got none")
    for wrapper in wrappers:
        if wrapper not in WRAPPERS:
            raise unknown("wrapper", wrapper, WRAPPERS)
    if isinstance(algorithm, str):
        if algorithm not in ALGORITHMS:
            raise unknown("algorithm", algorithm, ALGORITHMS.keys())
        name, wrapped = algorithm, ALGORITHMS[algorithm]
    else:
        registered = [key for key in ALGORITHMS.keys() if ALGORITHMS[key] is algorithm]  # noqa: SIM118
        name, wrapped = (registered or [getattr(algorithm, "__name__", str(algorithm)).lower()])[0], algorithm
    base_name = getattr(wrapped, "base_name", name)
    order = list(WRAPPERS)
    for wrapper in wrappers:
        if any(issubclass(wrapped, WRAPPERS[later]) for later in order[order.index(wrapper) + 1 :]):
            raise ConfigError(f"expected the wrappers in the order {', '.join(order)}, but got {wrapper} around {name}")
        name = f"{name}_{wrapper}"
        if issubclass(wrapped, StudentPair) and wrapper in WITHIN_PAIR:
            wrapped = add_wrapper(wrapped, name, WRAPPERS[wrapper])
        else:
            wrapped = compose(wrapped, name, base_name, WRAPPERS[wrapper])
    return wrapped


def register_algorithms() -> list[str]:
    """See :func:`usb_negsamp.register`."""
    ours = {
        "_".join((name, *chain)): (name, chain) for name in (*host_names(), *ALONE) for chain in wrapper_chains(name)
    }
    for name in (*ALONE, *ours):
        if name in ALGORITHMS and name not in _registered:
            raise ConfigError(f"the algorithm name {name!r} is taken by {ALGORITHMS[name]!r}, which is not ours")
    for name, algorithm in ALONE.items():
        if name not in _registered:
            _registered[name] = ALGORITHMS[name] = algorithm
    for name, (base, chain) in ours.items():
        if name not in _registered:
            _registered[name] = ALGORITHMS[name] = wrap_algorithm(base, *chain)
    return sorted(_registered)
