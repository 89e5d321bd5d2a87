"""The keys of UASD: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from usb_negsamp.key import NOT_NEGATIVE, SHARE
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class UASDSettings(Settings, prefix="uasd"):
    """Values of the keys ``uasd_...``."""

    weight: float = setting(
        float, 1.0, "weight of the self-distillation; 0 switches it off", symbol="w(t)", range=NOT_NEGATIVE
    )
    start: float = setting(
        float,
        0.2,
        "share of the training after which the self-distillation begins (100,000 of 500,000 steps in the released "
        "code); predictions are averaged from the first step on",
        range=SHARE,
    )
    ramp: float = setting(
        float,
        0.4,
        "share of the training over which the weight ramps up, counted from the first step, so that it begins within "
        "the ramp (200,000 of 500,000 steps in the released code); 0, none",
        range=SHARE,
    )
