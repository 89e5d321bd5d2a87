"""The keys of OpenMatch: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from usb_negsamp.key import AT_LEAST_ONE, NOT_NEGATIVE, SHARE, SHARE_ABOVE_0
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class OpenMatchSettings(Settings, prefix="openmatch"):
    """Values of the keys ``openmatch_...``; the weight of FixMatch's loss is the host's ``ulb_loss_ratio``."""

    entropy_weight: float = setting(
        float,
        0.1,
        "weight of the entropy of the one-vs-all classifiers on unlabeled images",
        symbol="lambda_em",
        range=NOT_NEGATIVE,
    )
    consistency_weight: float = setting(
        float,
        0.5,
        "weight of the consistency of the one-vs-all classifiers on two views (1 for CIFAR-100 in the paper)",
        symbol="lambda_oc",
        range=NOT_NEGATIVE,
    )
    start: float = setting(
        float,
        0.02,
        "share of the training after which FixMatch learns from the kept images (10 of 512 epochs in the paper)",
        symbol="E_fix",
        range=SHARE,
    )
    interval: float = setting(
        float,
        0.02,
        "share of the training from one choice of kept images to the next (1 of 512 epochs in the paper)",
        range=SHARE_ABOVE_0,
    )
    p_cutoff: float = setting(
        float, 0.0, "probability from which FixMatch learns a kept image's class; the paper takes all", range=SHARE
    )
    uratio: int | None = setting(
        int, None, "kept images a step for FixMatch, over the labeled ones; none, uratio", range=AT_LEAST_ONE
    )
