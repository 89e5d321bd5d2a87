"""Our algorithms, one folder each, laid out as in the host's ``semilearn/algorithms``.

Names are ``<host algorithm>_<wrapper>`` for every algorithm that the host registers; ``ns3l`` alone trains on the
labeled loss and its own.
"""

from __future__ import annotations

from typing import Any

from usb_negsamp.algorithms.ns3l import NS3L, NS3LWrapper
from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host import ALGORITHMS
from usb_negsamp.host.wrapping import Wrapper, compose

WRAPPERS: dict[str, type[Wrapper]] = {"ns3l": NS3LWrapper}
ALONE: dict[str, type[Any]] = {"ns3l": NS3L}

_registered: dict[str, type[Any]] = {}


def host_names() -> list[str]:
    """Names in the host's registry that are not ours, sorted."""
    return sorted(name for name in ALGORITHMS.keys() if name not in _registered)  # noqa: SIM118 (no iteration)


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
    for wrapper in wrappers:
        name = f"{name}_{wrapper}"
        wrapped = compose(wrapped, name, base_name, WRAPPERS[wrapper])
    return wrapped


def register_algorithms() -> list[str]:
    """See :func:`usb_negsamp.register`."""
    ours = {f"{name}_{wrapper}": (name, wrapper) for name in host_names() for wrapper in WRAPPERS}
    for name in (*ALONE, *ours):
        if name in ALGORITHMS and name not in _registered:
            raise ConfigError(f"the algorithm name {name!r} is taken by {ALGORITHMS[name]!r}, which is not ours")
    for name, algorithm in ALONE.items():
        if name not in _registered:
            _registered[name] = ALGORITHMS[name] = algorithm
    for name, (base, wrapper) in ours.items():
        if name not in _registered:
            _registered[name] = ALGORITHMS[name] = wrap_algorithm(base, wrapper)
    return sorted(_registered)
