"""How the weight of the unlabeled loss grows over ``unsup_warm_up``: ``unsup_ramp: linear | sigmoid``.

The host's pimodel, meanteacher, pseudolabel, vat, mixmatch and remixmatch ramp linearly from 0; Oliver et al. (2018)
and NS3L with exp(-5 (1 - t)^2), t being the share of the warm-up that has passed (0.0067 at the start).
"""

from __future__ import annotations

from semilearn.core import AlgorithmBase

from usb_negsamp.errors import unknown
from usb_negsamp.functional.ramps import linear_ramp, sigmoid_ramp
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace
from usb_negsamp.host.warm_up import Ramp, warm_up_property

RAMPS: dict[str, Ramp] = {"linear": linear_ramp, "sigmoid": sigmoid_ramp}


def ramp_of(algorithm: HostAlgorithm) -> Ramp:
    """The ramp that the algorithm's arguments name.

    Raises:
        ConfigError: no such ramp.
    """
    name = getattr(getattr(algorithm, "args", None), "unsup_ramp", "linear")
    if name not in RAMPS:
        raise unknown("unsup_ramp", name, RAMPS)
    return RAMPS[name]


def apply() -> None:
    """Let the property ``unsup_warm_up`` have the shape that the run asks for."""
    replace(AlgorithmBase, "unsup_warm_up", warm_up_property(ramp_of))
