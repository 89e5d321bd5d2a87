"""The keys of SPL: their values, checked before anything is trained."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import ConfigError, expected
from usb_negsamp.key import AT_LEAST_ONE, NOT_NEGATIVE, POSITIVE, SHARE_ABOVE_0, SHARE_BETWEEN, Range
from usb_negsamp.settings import Settings, setting

INNER_LR = 30.0
OUTER_LR_FACTOR = 0.1
SELECT = "select"
INNER_LRS = (10.0, INNER_LR, 100.0)
"""Rates of the mask's scores that ``select`` tries: the default, and about a third and three times of it. In rounds of
10 steps they make 0.4, 1 and 4 percent of the weights of ``small_cnn`` on digits change sides."""
CONTROL_LR_FACTORS = (1.0, 10 / 3, 10.0)
"""Rates of a control's steps on V1 that ``select`` tries, as multiples of ``spl_outer_lr``: from that rate, which is
the one without ``select``, to the full rate of the training. With ``lr`` 0.03 they are 0.003, 0.01 and 0.03."""


def mismatch_value(text: Any) -> float | str:
    """Return a number, or ``"estimate"``; the type of the key ``spl_mismatch``.

    Raises:
        ValueError: it is neither.

    >>> mismatch_value("0.3"), mismatch_value("estimate")
    (0.3, 'estimate')
    """
    return "estimate" if text == "estimate" else float(text)


def rate_value(text: Any) -> float | str:
    """Return a number, or ``"select"``; the type of the key ``spl_inner_lr``.

    Raises:
        ValueError: it is neither.

    >>> rate_value("30"), rate_value("select")
    (30.0, 'select')
    """
    return SELECT if text == SELECT else float(text)


@dataclass(frozen=True)
class SPLSettings(Settings, prefix="spl"):
    """Values of the keys ``spl_...``; built by :meth:`from_arguments`, ``outer_lr`` is a number."""

    mask: str = setting(
        str,
        "hard",
        "hard keeps a fixed share of each layer, soft weights them",
        symbol="omega",
        choices=("hard", "soft"),
    )
    mismatch: float | str | None = setting(
        mismatch_value,
        None,
        "share of unlabeled samples of unseen classes, or estimate; none, that of the open-set split",
        symbol="delta",
        range=Range(lambda value: 0 <= value <= 1, "from 0 to 1"),
        expected="a number from 0 to 1, or estimate",
    )
    ratio: float | None = setting(
        float,
        None,
        "share of weights to keep; none, 1 - delta (1 - labeled/unlabeled)",
        symbol="p",
        range=SHARE_ABOVE_0,
    )
    mask_head: bool = setting(bool, True, "whether the layer that makes the logits is masked, too")
    start: str = setting(
        str,
        "best",
        "averaged weights that the stage starts from, those that were best on validation or the last",
        choices=("best", "last"),
    )
    from_: str | None = setting(
        str,
        None,
        "folder or checkpoint of a finished run of any algorithm to start from, instead of training",
        affects="start",
    )
    rounds: int = setting(int, 10, "rounds of inner and outer steps, at most", range=AT_LEAST_ONE)
    inner_steps: int = setting(
        int, 50, "steps of the mask a round, on the first part of the validation", symbol="T", range=AT_LEAST_ONE
    )
    outer_steps: int = setting(
        int, 50, "steps of the weights a round, on the training data", symbol="T", range=AT_LEAST_ONE
    )
    inner_lr: float | str = setting(
        rate_value,
        INNER_LR,
        "learning rate of the mask's scores (SGD), or select, the best on V2 of 10, 30 and 100; for a control select "
        "is that of 1, 10/3 and 10 times spl_outer_lr",
        symbol="eta_omega",
        range=POSITIVE,
        expected="a number above 0, or select",
    )
    outer_lr: float = setting(
        float, None, "learning rate of the weights (optim); none, a tenth of lr", symbol="eta_theta", range=POSITIVE
    )
    outer: str = setting(
        str,
        "base",
        "loss of the outer steps, the base algorithm's own (base) or equation 6 (eq6), cross-entropy and the squared "
        "distance of two weak views",
        choices=("base", "eq6"),
    )
    validation_fraction: float = setting(
        float,
        0.7,
        "share of the validation images that the mask learns on; the others choose the model",
        symbol="|V1|/|V|",
        range=SHARE_BETWEEN,
    )
    patience: int = setting(
        int, 3, "rounds without a better validation after which the stage stops; 0, never", range=NOT_NEGATIVE
    )
    control: str | None = setting(
        str,
        None,
        "a control without a mask; finetune trains all weights on the same validation images for as many steps, "
        "alternate does so in turn with the outer steps",
        choices=("finetune", "alternate"),
    )
    ablation: str | None = setting(
        str,
        None,
        "what Table 3 leaves out; no_identification, random masks; no_bilevel, mask and weights in one step",
        choices=("no_pretraining", "no_identification", "no_bilevel", "no_inner", "no_outer"),
    )

    @classmethod
    def from_arguments(cls, args: Any) -> SPLSettings:
        """The settings that the run's arguments ask for.

        Raises:
            ConfigError: a value that cannot be, or two that contradict each other.
        """
        values = cls.values_of(args)
        if values["outer_lr"] is None:
            values["outer_lr"] = OUTER_LR_FACTOR * args.lr
        settings = cls(**values)
        if settings.control is not None and settings.ablation is not None:
            raise expected("spl_control and spl_ablation", "one of them", f"{settings.control} and {settings.ablation}")
        if settings.inner_lr == SELECT and settings.ablation == "no_inner":
            raise expected("spl_inner_lr", "a number with spl_ablation no_inner, which takes no such step", SELECT)
        if settings.source is not None and settings.ablation == "no_pretraining":
            raise expected("spl_from", "none with spl_ablation no_pretraining", settings.source)
        if settings.source is not None and not os.path.exists(settings.source):
            raise ConfigError(
                f"spl_from: expected the folder or the checkpoint of a run, but {settings.source} is not there"
            )
        return settings

    @property
    def source(self) -> str | None:
        """The run whose weights the stage starts from, the key ``spl_from``."""
        return self.from_

    @property
    def skips_training(self) -> bool:
        """Whether the stage starts without a training of this run."""
        return self.source is not None or self.ablation == "no_pretraining"

    @property
    def masks_weights(self) -> bool:
        """Whether any weight is masked at all."""
        return self.control is None

    @property
    def needs_mismatch(self) -> bool:
        """Whether the share of weights to keep follows from the mismatch."""
        return self.masks_weights and self.ratio is None

    @property
    def rates(self) -> tuple[float | None, ...]:
        """Rates of the steps on V1 to choose from, of scores or of a control's weights; None: there is no such step."""
        if self.ablation == "no_inner":
            return (None,)
        if self.inner_lr == SELECT:
            return INNER_LRS if self.masks_weights else tuple(factor * self.outer_lr for factor in CONTROL_LR_FACTORS)
        return (float(self.inner_lr) if self.masks_weights else self.outer_lr,)

    def rates_at(self, ratio: float) -> tuple[float | None, ...]:
        """Those of :attr:`rates` that can lead to different networks where the share ``ratio`` of the weights is kept.

        A hard mask that keeps all weights does so whatever its scores, so that the first rate stands for the others.
        """
        scores_matter = not self.masks_weights or self.mask == "soft" or ratio < 1
        return self.rates if scores_matter else self.rates[:1]

    @property
    def phases(self) -> tuple[tuple[str, int], ...]:
        """The kinds of steps of a round, and how many of each."""
        if self.control == "finetune":
            return (("finetune", self.inner_steps + self.outer_steps),)
        if self.control == "alternate":
            return (("finetune", self.inner_steps), ("outer", self.outer_steps))
        if self.ablation == "no_bilevel":
            return (("joint", max(self.inner_steps, self.outer_steps)),)
        inner = () if self.ablation == "no_inner" else (("inner", self.inner_steps),)
        outer = () if self.ablation == "no_outer" else (("outer", self.outer_steps),)
        return (*inner, *outer)
