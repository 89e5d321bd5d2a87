"""The keys of DNLL: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import expected
from usb_negsamp.functional import sigmoid_ramp, truncated_sigmoid_ramp
from usb_negsamp.host.evaluation.pair import evaluate_setting
from usb_negsamp.host.wrapping.peer import peer_seed_setting
from usb_negsamp.key import AT_LEAST_ONE, BELOW_ONE, NOT_NEGATIVE, SHARE
from usb_negsamp.settings import Settings, setting

WEAK_VIEW = "x_ulb_w"
SHARE_OF_RELEASED_RAMP = 0.15
"""Of the training, in the released code: its ramp's shape, whatever part of a run the ramp takes."""
LOSS_VIEWS = {"weak_to_strong": "x_ulb_s", "weak_to_weak": "x_ulb_w_1", "weak": WEAK_VIEW}


@dataclass(frozen=True)
class DNLLSettings(Settings, prefix="dnll"):
    """Values of the keys ``dnll_...``."""

    num_negatives: int = setting(
        int, 1, "pseudo-negative labels of a sample, in 1..num_classes - 1", symbol="m", range=AT_LEAST_ONE
    )
    selection: str = setting(
        str,
        "equal",
        "how negatives are drawn, with equal probability, or by what the learning network confuses",
        choices=("equal", "error_perception"),
    )
    weight: float = setting(
        float, 2.0, "weight of the cross loss; 0 switches it off", symbol="lambda", range=NOT_NEGATIVE
    )
    self_weight: float = setting(
        float, 0.0, "weight of the self loss; equation 18 has dnll_weight here", range=NOT_NEGATIVE
    )
    ramp: float = setting(
        float,
        0.15,
        "share of the training over which both weights ramp up (15 of 100 epochs in the released code); 0, none",
        range=SHARE,
    )
    ramp_shape: str = setting(
        str,
        "sigmoid",
        "how both weights ramp up, from nothing as exp(-5 (1 - t)^2) of the ramp (sigmoid), or as the first part of "
        "that of the whole training, which starts at a quarter of the weight (truncated, the released code)",
        choices=("sigmoid", "truncated"),
    )
    views: str = setting(
        str,
        "weak_to_strong",
        "labels from the weak view and the loss on the strong one, on another weak one, or on the same",
        choices=tuple(LOSS_VIEWS),
    )
    reduction: str = setting(
        str,
        "mean",
        "over the negatives of a sample, mean (released code) or sum (equation 9)",
        choices=("mean", "sum"),
    )
    momentum: float = setting(float, 0.99, "share of the old error matrix that stays at each step", range=BELOW_ONE)
    evaluate: str = evaluate_setting()
    peer_seed: int | None = peer_seed_setting()

    @classmethod
    def from_arguments(cls, args: Any) -> DNLLSettings:
        """The settings that the run's arguments ask for.

        Raises:
            ConfigError: a value that cannot be.
        """
        settings = cls(**cls.values_of(args))
        if settings.num_negatives >= args.num_classes:
            raise expected(
                "dnll_num_negatives",
                f"a number in 1..num_classes - 1 = 1..{args.num_classes - 1}",
                f"{settings.num_negatives}",
            )
        return settings

    @property
    def teaches(self) -> bool:
        """Whether there is any loss."""
        return self.weight > 0.0 or self.self_weight > 0.0

    def ramp_of(self, passed: float) -> float:
        """Share of the weights when ``passed`` of their ramp has passed."""
        if self.ramp_shape == "truncated":
            return truncated_sigmoid_ramp(passed, share=SHARE_OF_RELEASED_RAMP)
        return sigmoid_ramp(passed)
