"""The keys of Curriculum Labeling: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import expected
from usb_negsamp.key import AT_LEAST_ONE, BELOW_ONE, NOT_NEGATIVE, SHARE_ABOVE_0
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class CLSettings(Settings, prefix="cl"):
    """Values of the keys ``cl_...``."""

    rounds: int = setting(
        int,
        5,
        "rounds after the first; round r takes the r/cl_rounds of the unlabeled images that the round before is "
        "surest of",
        range=AT_LEAST_ONE,
    )
    lengths: str = setting(
        str,
        "equal",
        "how num_train_iter is shared among the rounds: equally, or so that each passes equally often over its own "
        "images, as in the released code",
        choices=("equal", "passes"),
    )
    mixup_alpha: float = setting(
        float, 1.0, "two images are mixed by a share from Beta(alpha, alpha); 0, none are", range=NOT_NEGATIVE
    )
    class_weights: bool = setting(
        bool, True, "after the first round a class k of n_k images weighs (N - n_k)/n_k in the loss"
    )
    view: str = setting(
        str, "weak", "view of labeled and selected images that is trained on", choices=("weak", "strong")
    )
    swa_start: float | None = setting(
        float,
        None,
        "share of each round after which the evaluated weights are the mean of snapshots (the released code's "
        "option, 200 of 750 epochs); none, the average by ema_m",
        range=BELOW_ONE,
    )
    swa_every: float = setting(float, 0.0067, "share of a round from one snapshot to the next", range=SHARE_ABOVE_0)

    @classmethod
    def from_arguments(cls, args: Any) -> CLSettings:
        """The settings that the run's arguments ask for.

        Raises:
            ConfigError: a value that cannot be, or fewer iterations than rounds.
        """
        settings = cls(**cls.values_of(args))
        if args.num_train_iter < settings.rounds + 1:
            raise expected(
                "cl_rounds",
                f"at most num_train_iter - 1 = {args.num_train_iter - 1}, so that each round, the first included, "
                "has an iteration",
                f"{settings.rounds}",
            )
        bn_update = getattr(args, "bn_update", "host")
        if settings.mixup_alpha > 0 and bn_update in ("labeled", "joint"):
            raise expected(
                "bn_update", "host or all with cl_mixup_alpha, whose passes carry no batch as it was drawn", bn_update
            )
        return settings
