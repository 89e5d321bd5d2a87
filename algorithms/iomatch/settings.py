"""The keys of IOMatch: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from usb_negsamp.key import AT_LEAST_ONE, NOT_NEGATIVE, SHARE
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class IOMatchSettings(Settings, prefix="iomatch"):
    """Values of the keys ``iomatch_...``; the weight of the closed-set loss is the host's ``ulb_loss_ratio``."""

    p_cutoff: float = setting(
        float,
        0.95,
        "probability among the K seen classes from which the classifier learns from an unlabeled image",
        symbol="tau_p",
        range=SHARE,
    )
    q_cutoff: float = setting(
        float,
        0.5,
        "probability among K + 1 classes from which the open-set classifier learns from an unlabeled image",
        symbol="tau_q",
        range=SHARE,
    )
    ova_weight: float = setting(
        float, 1.0, "weight of the one-vs-all loss of labeled images", symbol="lambda_mb", range=NOT_NEGATIVE
    )
    open_weight: float = setting(
        float, 1.0, "weight of the open-set loss of unlabeled images", symbol="lambda_op", range=NOT_NEGATIVE
    )
    start: float = setting(
        float,
        0.02,
        "share of the training after which the open-set loss counts (1 of 256 epochs in the released code)",
        range=SHARE,
    )
    hard_label: bool = setting(
        bool, False, "learn the likeliest class instead of the probabilities, which the released code learns"
    )
    dist_align: bool = setting(
        bool, False, "align the probabilities of the seen classes with a uniform distribution, over 128 batches"
    )
    proj_size: int = setting(int, 128, "length of the projection that both open-set heads read", range=AT_LEAST_ONE)
