"""What is measured: a training as a user would ask for it, and the variants of it that take turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from usb_negsamp.errors import ConfigError, unknown

BARE_HOST = "bare host"
HOST_ALGORITHM = "host's algorithm"
PLUGIN = "plugin"

OPTIONS: dict[str, dict[str, Any]] = {
    "channels_last": {"channels_last": True},
    "amp": {"amp": True},
    "views on the device": {"accelerate_views": "device"},
    "channels_last, amp": {"channels_last": True, "amp": True},
    "bfloat16": {"amp": True, "amp_dtype": "bfloat16"},
    "graph": {"accelerate_graph": True},
    "graph, views on the device": {"accelerate_graph": True, "accelerate_views": "device"},
    "channels_last, bfloat16, graph, views on the device": {
        "channels_last": True,
        "amp": True,
        "amp_dtype": "bfloat16",
        "accelerate_graph": True,
        "accelerate_views": "device",
    },
    "fastest": {"accelerate": "fastest"},
}
"""What may be tried beside the default, by name: the keys that it sets."""

_COMPARED: dict[str, str] = {
    "ns3l": "vat",
    "dnll": "fixmatch",
    "dualstudent": "fixmatch",
    "temporalensembling": "pimodel",
    "uasd": "pimodel",
    "ds3l": "pimodel",
    "openmatch": "fixmatch",
    "iomatch": "fixmatch",
    "cl": "supervised",
    "mtc": "mixmatch",
}
"""Algorithms that train without one of the host's: which one they are set against."""


@dataclass(frozen=True)
class Variant:
    """One way to carry a case out.

    Attributes:
        name: what a row calls it.
        keys: of the configuration.
        bare: whether the host is used as it comes.
    """

    name: str
    keys: Mapping[str, Any]
    bare: bool = False


@dataclass(frozen=True)
class Case:
    """A training whose variants take turns.

    Attributes:
        name: what a row calls it.
        algorithm: that the case is about.
        keys: of its configuration, the algorithm apart.
        own_keys: further ones that the algorithm needs, and the host's does not.
    """

    name: str
    algorithm: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    own_keys: Mapping[str, Any] = field(default_factory=dict)

    def variants(self, options: Sequence[str]) -> tuple[Variant, ...]:
        """Return the bare host first, then its algorithm in this package, ours, and ours with each of ``options``.

        >>> [variant.name for variant in Case("a", "vat_ns3l").variants(["amp"])]
        ['bare host', "host's algorithm", 'plugin', 'plugin, amp']
        >>> [(variant.name, variant.keys["algorithm"]) for variant in Case("b", "vat").variants([])]
        [('bare host', 'vat'), ('plugin', 'vat')]
        """
        base = host_algorithm(self.algorithm)
        own = {**self.keys, **self.own_keys, "algorithm": self.algorithm}
        of_base = {**self.keys, "algorithm": base}
        variants = [Variant(BARE_HOST, of_base, bare=True)]
        if base != self.algorithm:
            variants.append(Variant(HOST_ALGORITHM, of_base))
        variants.append(Variant(PLUGIN, own))
        variants += [Variant(f"{PLUGIN}, {name}", {**own, **option_keys(name)}) for name in options]
        return tuple(variants)


def memory_variants(case: Case) -> tuple[Variant, ...]:
    """Return the bare host first, then its algorithm in this package; then ours or, where that is all, each wrapper's.

    >>> [variant.name for variant in memory_variants(Case("a", "vat"))]
    ['bare host', 'vat', 'vat_ns3l', 'vat_dnll', 'vat_spl']
    >>> [variant.name for variant in memory_variants(Case("b", "dnll"))]
    ['bare host', 'fixmatch', 'dnll']
    """
    base = host_algorithm(case.algorithm)
    wrapped = [f"{base}_ns3l", f"{base}_dnll", f"{base}_spl"] if case.algorithm == base else [case.algorithm]
    own = [
        Variant(name, {**case.keys, "algorithm": name, **(_SHORT_STAGE if has_stage(name) else {})})
        for name in (base, *wrapped)
    ]
    return Variant(BARE_HOST, {**case.keys, "algorithm": base}, bare=True), *own


def has_stage(algorithm: str) -> bool:
    """Whether SPL follows the training of ``algorithm``."""
    return algorithm.endswith("_spl")


_SHORT_STAGE: dict[str, Any] = {
    "validation_size": 200,
    "spl_ratio": 0.5,
    "spl_start": "last",
    "spl_rounds": 1,
    "spl_inner_steps": 2,
    "spl_outer_steps": 1,
}


def option_keys(name: str) -> dict[str, Any]:
    """Return the keys that the option ``name`` sets.

    Raises:
        ConfigError: there is no such option.
    """
    if name not in OPTIONS:
        raise unknown("option", name, OPTIONS)
    return OPTIONS[name]


def options_on(device: str) -> list[str]:
    """Return the names of the options that there are on a ``device``, ``cpu`` or ``cuda``.

    >>> [name for name in OPTIONS if name not in options_on("cpu")]
    ['graph', 'graph, views on the device', 'channels_last, bfloat16, graph, views on the device']
    """
    return [name for name, keys in OPTIONS.items() if device == "cuda" or "accelerate_graph" not in keys]


def host_algorithm(name: str) -> str:
    """Return the algorithm of the host that ``name`` is set against.

    >>> host_algorithm("fixmatch_ns3l_dnll"), host_algorithm("ns3l"), host_algorithm("dnll_spl")
    ('fixmatch', 'vat', 'fixmatch')
    """
    base = name.split("_")[0]
    return _COMPARED.get(base, base)


DEFAULT_CASES: tuple[Case, ...] = (
    Case("fixmatch_ns3l 64 + 64", "fixmatch_ns3l", {"batch_size": 64, "uratio": 1}),
    Case("fixmatch_ns3l 64 + 448", "fixmatch_ns3l", {"batch_size": 64, "uratio": 7}),
    Case("vat_ns3l 50 + 50", "vat_ns3l", {"batch_size": 50, "uratio": 1}),
    Case("ns3l 50 + 50", "ns3l", {"batch_size": 50, "uratio": 1}),
    Case("dnll 64 + 64", "dnll", {"batch_size": 64, "uratio": 1}),
    Case("fixmatch_ns3l 8 + 8", "fixmatch_ns3l", {"batch_size": 8, "uratio": 1}),
)
"""What is measured where no configuration is named: the batches of the papers, and one that shows the fixed costs."""

_OWN_KEYS: dict[str, dict[str, Any]] = {
    "uasd": {"validation_size": 500},
    # Steps of their later part, which cost more.
    "openmatch": {"openmatch_start": 0.0},
    "mtc": {"mtc_warm_up": 1e-4},
}

METHOD_CASES: tuple[Case, ...] = tuple(
    Case(f"{name} 64 + 64", name, {"batch_size": 64, "uratio": 1}, _OWN_KEYS.get(name, {}))
    for name in (
        *("dualstudent", "fixmatch_dnll", "fixmatch_fixastep", "vat_fixastep", "temporalensembling", "uasd", "ds3l"),
        *("openmatch", "iomatch", "cl", "mtc"),
    )
)
"""The methods that papers compare with, each against the host's algorithm that it is nearest to."""

MEMORY_CASES: tuple[Case, ...] = tuple(
    Case(name, name, {"batch_size": 64, "uratio": 1})
    for name in (
        *("fixmatch", "flexmatch", "freematch", "softmatch", "uda", "vat", "pimodel", "meanteacher", "mixmatch"),
        *("comatch", "ns3l", "dnll", "dualstudent"),
    )
)
"""What ``--memory`` measures where no configuration is named."""


METHODS = "methods"
"""What ``--case`` calls the cases of the methods that papers compare with."""


def chosen_cases(text: str | None, *, memory: bool = False) -> tuple[Case, ...]:
    """Return the cases that ``--case TEXT`` is for: that of this name, or those whose names hold it; none: the usual.

    >>> [case.name for case in chosen_cases("vat_ns3l")]
    ['vat_ns3l 50 + 50']
    >>> chosen_cases("methods") == METHOD_CASES
    True

    Raises:
        ConfigError: no name holds it.
    """
    usual = MEMORY_CASES if memory else DEFAULT_CASES
    if text is None:
        return usual
    if text == METHODS and not memory:
        return METHOD_CASES
    cases = usual if memory else (*DEFAULT_CASES, *METHOD_CASES)
    named = tuple(case for case in cases if case.name == text)
    chosen = named or tuple(case for case in cases if text in case.name)
    if not chosen:
        names = ", ".join(case.name for case in cases)
        raise ConfigError(f"--case: expected a part of one of: {names}, but got {text!r}")
    return chosen
