"""The keys of Fix-A-Step: their values, checked before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from usb_negsamp.key import POSITIVE
from usb_negsamp.settings import Settings, setting


@dataclass(frozen=True)
class FixAStepSettings(Settings, prefix="fixastep"):
    """Values of the keys ``fixastep_...``; without mixing and test the algorithm inside is as it was, bit for bit."""

    mix: bool = setting(
        bool, True, "mix labeled images with others of the step, unlabeled ones by guessed labels among them"
    )
    gradient_test: bool = setting(
        bool, True, "leave out the unlabeled loss of a step whose gradient points against the labeled one's"
    )
    alpha: float = setting(
        float, 0.75, "of the Beta distribution that the step's mixing weight is drawn from", range=POSITIVE
    )
    temperature: float = setting(
        float,
        None,
        "guessed labels are sharpened by it; none, 0.95 around vat and pimodel, else 0.5",
        symbol="T",
        range=POSITIVE,
    )

    @property
    def changes_steps(self) -> bool:
        """Whether anything is done at all."""
        return self.mix or self.gradient_test
