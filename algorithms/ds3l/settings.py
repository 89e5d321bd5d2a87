"""The keys of DS3L: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from usb_negsamp.key import NOT_NEGATIVE, POSITIVE, SHARE
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class DS3LSettings(Settings, prefix="ds3l"):
    """Values of the keys ``ds3l_...``.

    The released code divides the labeled loss by all images of a batch, half of which are labeled: its loss is half of
    ours, with a weight of 10, and it looks ahead at a rate of 0.001.
    """

    weight: float = setting(
        float,
        20.0,
        "weight of the unlabeled loss, beside the mean loss of the labeled images; 0 switches it off",
        range=NOT_NEGATIVE,
    )
    ramp: float = setting(float, 1.0, "share of the training over which the weight ramps up; 0, none", range=SHARE)
    look_ahead_lr: float = setting(
        float,
        0.0005,
        "learning rate of the step that the network is imagined to take, by whose outcome the weights of images learn",
        symbol="eta_theta",
        range=POSITIVE,
    )
    weights_lr: float = setting(
        float,
        0.00006,
        "learning rate, of Adam, of the network that gives an image its weight",
        symbol="eta_alpha",
        range=POSITIVE,
    )
