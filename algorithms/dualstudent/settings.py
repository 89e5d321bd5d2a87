"""The keys of Dual Student: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from usb_negsamp.host.evaluation.pair import evaluate_setting
from usb_negsamp.host.wrapping.peer import peer_seed_setting
from usb_negsamp.key import NOT_NEGATIVE, SHARE
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class StabilizationSettings(Settings, prefix="dualstudent"):
    """Values of the keys by which two students are coupled."""

    threshold: float = setting(
        float,
        0.8,
        "probability above which at least one of the two predictions of a stable network is",
        symbol="xi",
        range=SHARE,
    )
    stabilization_weight: float = setting(
        float,
        100.0,
        "weight of the loss by which the more stable network teaches the other; 0 switches it off",
        symbol="lambda_2",
        range=NOT_NEGATIVE,
    )


@dataclass(frozen=True)
class PairSettings(StabilizationSettings, prefix="dualstudent"):
    """The same, and what becomes of two networks that nothing else couples."""

    evaluate: str = evaluate_setting()
    peer_seed: int | None = peer_seed_setting()


@dataclass(frozen=True)
class StudentSettings(Settings, prefix="dualstudent"):
    """Values of the keys of one student, without the other."""

    consistency_weight: float = setting(
        float,
        10.0,
        "weight of each network's consistency with itself",
        symbol="lambda_1",
        range=NOT_NEGATIVE,
    )
    ramp: float = setting(
        float,
        0.0167,
        "share of the training over which both weights ramp up (5 of 300 epochs in the released code); 0, none",
        range=SHARE,
    )
