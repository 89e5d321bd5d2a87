"""Our algorithms, one folder each, laid out as in the host's ``semilearn/algorithms``.

Names are ``<host algorithm>_<wrapper>`` for every algorithm that the host registers, also with several wrappers, in the
order of ``WRAPPERS`` (``fixmatch_ns3l_dnll``); ``ns3l`` and ``dnll`` alone train on the labeled loss and their own, and
take the later wrappers (``ns3l_spl``). ``dualstudent`` is an algorithm of ours that wraps like one of the host's: NS3L
goes around each of its two networks, and DNLL couples those that are there. Fix-A-Step mends the steps of each network
of a pair, whose losses DNLL has changed by then. OpenMatch and IOMatch are algorithms of ours, too.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from usb_negsamp.algorithms.cl import CurriculumLabeling
from usb_negsamp.algorithms.cl.settings import CLSettings
from usb_negsamp.algorithms.dnll import DNLL, DNLLWrapper
from usb_negsamp.algorithms.ds3l import DS3L, DS3LSettings
from usb_negsamp.algorithms.dualstudent import DualStudent, add_wrapper
from usb_negsamp.algorithms.dualstudent.pair import StudentPair
from usb_negsamp.algorithms.dualstudent.settings import PairSettings, StudentSettings
from usb_negsamp.algorithms.fixastep import FixAStepWrapper
from usb_negsamp.algorithms.iomatch import IOMatch
from usb_negsamp.algorithms.iomatch.settings import IOMatchSettings
from usb_negsamp.algorithms.mtc import MultiTaskCurriculum
from usb_negsamp.algorithms.mtc.settings import MTCSettings
from usb_negsamp.algorithms.ns3l import NS3L, NS3LWrapper
from usb_negsamp.algorithms.openmatch import OpenMatch
from usb_negsamp.algorithms.openmatch.settings import OpenMatchSettings
from usb_negsamp.algorithms.spl import SPLWrapper
from usb_negsamp.algorithms.temporalensembling import TemporalEnsembling, TemporalEnsemblingSettings
from usb_negsamp.algorithms.uasd import UASD, UASDSettings
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.datasets.build import offer_sources
from usb_negsamp.host.expected.notice import in_the_log
from usb_negsamp.host.patching import step_aside
from usb_negsamp.host.wrapping.wrapper import Wrapper, compose
from usb_negsamp.key import Key
from usb_negsamp.settings import Settings

WRAPPERS: dict[str, type[Wrapper]] = {
    "ns3l": NS3LWrapper,
    "dnll": DNLLWrapper,
    "fixastep": FixAStepWrapper,
    "spl": SPLWrapper,
}
ALONE: dict[str, type[Any]] = {
    "ns3l": NS3L,
    "dnll": DNLL,
    "dualstudent": DualStudent,
    "uasd": UASD,
    "temporalensembling": TemporalEnsembling,
    "ds3l": DS3L,
    "openmatch": OpenMatch,
    "iomatch": IOMatch,
    "cl": CurriculumLabeling,
    "mtc": MultiTaskCurriculum,
}
WITHIN_PAIR = ("ns3l", "dnll", "fixastep")
"""Wrappers that a pair of students takes in; SPL masks the trained pair from outside."""

_registered: dict[str, type[Any]] = {}


def method_keys() -> tuple[Key, ...]:
    """The keys of every method here, each once."""
    of_wrappers = (wrapper.settings_class for wrapper in WRAPPERS.values())
    methods: tuple[type[Settings], ...] = (
        *of_wrappers,
        PairSettings,
        StudentSettings,
        UASDSettings,
        TemporalEnsemblingSettings,
        DS3LSettings,
        OpenMatchSettings,
        IOMatchSettings,
        CLSettings,
        MTCSettings,
    )
    return tuple(key for settings in methods for key in settings.all_keys())


def papers() -> dict[str, str]:
    """The papers of our algorithms and wrappers, by their names.

    >>> papers()["spl"]
    'He, Han, Yang, Yin, AAAI 2022'
    """
    return {name: method.paper for name, method in {**ALONE, **WRAPPERS}.items()}


def host_names() -> list[str]:
    """Names in the host's registry that are not ours, sorted."""
    return sorted(name for name in ALGORITHMS.keys() if name not in _registered)  # noqa: SIM118 (no iteration)


def wrappers_in(algorithm: type[Any]) -> tuple[str, ...]:
    """The wrappers that an algorithm carries, innermost first.

    >>> wrappers_in(NS3L), wrappers_in(DualStudent)
    (('ns3l',), ())
    """
    return tuple(name for name, wrapper in WRAPPERS.items() if issubclass(algorithm, wrapper))


def wrapper_chains(algorithm: type[Any]) -> list[tuple[str, ...]]:
    """The wrappers that can go around an algorithm, one or several in their order; around a wrapped one, the later.

    >>> wrapper_chains(NS3L)[:4]
    [('dnll',), ('fixastep',), ('spl',), ('dnll', 'fixastep')]
    """
    order, inside = list(WRAPPERS), wrappers_in(algorithm)
    outside = order[order.index(inside[-1]) + 1 :] if inside else order
    return [chain for length in range(1, len(outside) + 1) for chain in combinations(outside, length)]


def wrap_algorithm(algorithm: type[Any] | str, *wrappers: str) -> type[Any]:
    """See :func:`usb_negsamp.wrap`."""
    if not wrappers:
        raise ConfigError(f"expected at least one wrapper of {sorted(WRAPPERS)}, but got none")
    for wrapper in wrappers:
        if wrapper not in WRAPPERS:
            raise unknown("wrapper", wrapper, WRAPPERS)
    wrapped: type[Any]
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
        elif issubclass(wrapped, DNLLWrapper) and issubclass(WRAPPERS[wrapper], FixAStepWrapper):
            # What each of the two networks does by itself goes inside, so that both do it.
            inside = compose(wrapped.inside(), f"{name}_network", base_name, WRAPPERS[wrapper])
            wrapped = compose(inside, name, base_name, DNLLWrapper)
        else:
            wrapped = compose(wrapped, name, base_name, WRAPPERS[wrapper])
    return wrapped


def register_algorithms() -> list[str]:
    """See :func:`usb_negsamp.register`."""
    bases = {**{name: ALGORITHMS[name] for name in host_names()}, **ALONE}
    hosts_own = []
    for name in (*ALONE, *(composed := _compositions(bases))):
        if name in ALGORITHMS and name not in _registered:
            base, chain = composed.get(name, (name, ()))
            if chain and _is_composed(ALGORITHMS[name], bases[base], chain):
                continue
            if not ALGORITHMS[name].__module__.startswith("semilearn."):
                raise ConfigError(f"the algorithm name {name!r} is taken by {ALGORITHMS[name]!r}, which is not ours")
            hosts_own.append(name)
    if hosts_own:
        step_aside("register()", f"it has {', '.join(hosts_own)}")
        in_the_log()
    bases = {name: algorithm for name, algorithm in bases.items() if name not in hosts_own}
    for name, algorithm in ALONE.items():
        if name not in _registered and name in bases:
            _registered[name] = ALGORITHMS[name] = algorithm
    for name, (base, chain) in _compositions(bases).items():
        if name not in ALGORITHMS:
            _registered[name] = ALGORITHMS[name] = wrap_algorithm(base, *chain)
    offer_sources()
    return sorted(_registered)


def _compositions(bases: dict[str, type[Any]]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Every name that wrappers around ``bases`` have, with the name of the base and the wrappers."""
    return {
        "_".join((name, *chain)): (name, chain)
        for name, algorithm in bases.items()
        for chain in wrapper_chains(algorithm)
    }


def _is_composed(algorithm: type[Any], base: type[Any], chain: tuple[str, ...]) -> bool:
    """Whether ``algorithm``, which somebody else registered, is what we would make of ``base``."""
    return issubclass(algorithm, base) and wrappers_in(algorithm) == (*wrappers_in(base), *chain)
