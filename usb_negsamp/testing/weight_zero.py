"""The check that a wrapper of weight 0 is not there."""

from __future__ import annotations

from typing import Any

from usb_negsamp.errors import unknown
from usb_negsamp.testing.report import Broken, Skipped
from usb_negsamp.testing.subject import Subject, difference

SUFFIX = "_weight"


def check_weight_zero(subject: Subject) -> None:
    """With its weights at 0 a wrapper gives, parameter for parameter, bit for bit, what its plain base gives."""
    from usb_negsamp.host import ALGORITHMS

    algorithm = ALGORITHMS[subject.name]
    base = base_of(algorithm, any_parent=bool(subject.weight_keys))
    off = dict.fromkeys(subject.weight_keys, 0) or switched_off(algorithm)
    if not off:
        raise Skipped(f"no key of the wrapper ends in {SUFFIX}; weight_key=... names another")
    readable = {argument.name.lstrip("-") for argument in algorithm.get_argument()}
    for key in off:
        if key not in readable:
            raise unknown(f"key of {subject.name}", key, readable)
    plain = subject.train("plain", base)
    without = subject.train("weight_zero", None, **off)
    apart = difference(plain, without)
    if apart is not None:
        values = " and ".join(f"{key}={value:d}" for key, value in off.items())
        raise Broken(
            f"expected {subject.name} with {values} to be {base} bit for bit, but they differ in {apart}: look for "
            "random numbers that are drawn, passes that are taken in training mode and state that is changed before "
            "the weight is looked at"
        )


def base_of(algorithm: type[Any], any_parent: bool = False) -> str:
    """The registered name of what ``algorithm`` wraps, or with ``any_parent`` of the nearest class it is made from.

    Raises:
        Skipped: there is none.
    """
    from usb_negsamp.host import ALGORITHMS
    from usb_negsamp.host.wrapping.wrapper import UnlabeledLoop, Wrapper

    registered = {ALGORITHMS[name]: str(name) for name in ALGORITHMS.keys()}  # noqa: SIM118 (no iteration)
    if issubclass(algorithm, Wrapper):
        inner = next(
            parent for parent in algorithm.__mro__ if not issubclass(parent, Wrapper) and parent is not UnlabeledLoop
        )
        if inner not in registered:
            raise Skipped(f"its base {inner.__name__} is not registered")
        return registered[inner]
    parents = [registered[parent] for parent in algorithm.__mro__[1:] if parent in registered]
    if not (any_parent and parents):
        raise Skipped("it is no wrapper around another algorithm, as usb_negsamp.wrap makes them")
    return parents[0]


def switched_off(algorithm: Any) -> dict[str, Any]:
    """Values with which the wrappers in ``algorithm`` do nothing: their weights are 0, and what else they name."""
    off: dict[str, Any] = {}
    for parent in algorithm.__mro__:
        if "settings_class" in vars(parent) and hasattr(parent, "own_keys"):
            off.update((key.name, 0) for key in parent.own_keys() if key.name.endswith(SUFFIX))
            off.update(getattr(parent, "switched_off", {}))
    return off
