"""The keys of Temporal Ensembling: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from usb_negsamp.key import BELOW_ONE, NOT_NEGATIVE, SHARE, SHARE_ABOVE_0
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class TemporalEnsemblingSettings(Settings, prefix="temporalensembling"):
    """Values of the keys ``temporalensembling_...``."""

    weight: float = setting(
        float,
        30.0,
        "weight of the distance to the targets, beside the mean loss of the labeled images; 0 switches it off",
        symbol="w_max",
        range=NOT_NEGATIVE,
    )
    decay: float = setting(float, 0.6, "decay of the memory of an image's predictions", symbol="alpha", range=BELOW_ONE)
    ramp: float = setting(
        float,
        0.267,
        "share of the training over which the weight ramps up (80 of 300 epochs in the paper); 0, none",
        range=SHARE,
    )
    epoch: float | None = setting(
        float,
        None,
        "share of the training after which the targets are made anew; none: one pass over the unlabeled images, or a "
        "quarter of the training where that is shorter",
        range=SHARE_ABOVE_0,
    )
