"""The keys of SPL: their values, checked before anything is trained."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.host import SSL_Argument, str2bool

MASKS = ("hard", "soft")
STARTS = ("best", "last")
OUTER_LOSSES = ("base", "eq6")
CONTROLS = ("finetune",)
INNER_LR = 30.0
OUTER_LR_FACTOR = 0.1
ABLATIONS = ("no_pretraining", "no_identification", "no_bilevel", "no_inner", "no_outer")


@dataclass(frozen=True)
class Settings:
    """Values of the keys ``spl_...``; ``source`` is ``spl_from``, and ``outer_lr`` is a number."""

    mask: str
    mismatch: float | str | None
    ratio: float | None
    mask_head: bool
    start: str
    source: str | None
    rounds: int
    inner_steps: int
    outer_steps: int
    inner_lr: float
    outer_lr: float
    outer: str
    validation_fraction: float
    patience: int | None
    control: str | None
    ablation: str | None

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
    def phases(self) -> tuple[tuple[str, int], ...]:
        """The kinds of steps of a round, and how many of each."""
        if self.control == "finetune":
            return (("finetune", self.inner_steps + self.outer_steps),)
        if self.ablation == "no_bilevel":
            return (("joint", max(self.inner_steps, self.outer_steps)),)
        inner = () if self.ablation == "no_inner" else (("inner", self.inner_steps),)
        outer = () if self.ablation == "no_outer" else (("outer", self.outer_steps),)
        return (*inner, *outer)


def mismatch_value(text: Any) -> float | str:
    """Return a number, or ``"estimate"``; the type of the key ``spl_mismatch``.

    Raises:
        ValueError: it is neither.

    >>> mismatch_value("0.3"), mismatch_value("estimate")
    (0.3, 'estimate')
    """
    return "estimate" if text == "estimate" else float(text)


mismatch_value.__name__ = "a number or estimate"


def arguments() -> list[Any]:
    """The keys that SPL adds to those of its base algorithm."""
    # What stands before ": " is the paper's symbol.
    return [
        SSL_Argument("--spl_mask", str, "hard", "omega: hard keeps a fixed share of each layer, soft weights them"),
        SSL_Argument(
            "--spl_mismatch",
            mismatch_value,
            None,
            "delta: share of unlabeled samples of unseen classes, or estimate; none, that of the open-set split",
        ),
        SSL_Argument(
            "--spl_ratio", float, None, "p: share of weights to keep; none, 1 - delta (1 - labeled/unlabeled)"
        ),
        SSL_Argument("--spl_mask_head", str2bool, True, "whether the layer that makes the logits is masked, too"),
        SSL_Argument(
            "--spl_start",
            str,
            "best",
            "averaged weights that the stage starts from, those that were best on validation or the last",
        ),
        SSL_Argument(
            "--spl_from",
            str,
            None,
            "folder or checkpoint of a finished run of any algorithm to start from, instead of training",
        ),
        SSL_Argument("--spl_rounds", int, 10, "rounds of inner and outer steps, at most"),
        SSL_Argument("--spl_inner_steps", int, 50, "T: steps of the mask a round, on the first part of the validation"),
        SSL_Argument("--spl_outer_steps", int, 50, "T: steps of the weights a round, on the training data"),
        SSL_Argument("--spl_inner_lr", float, INNER_LR, "eta_omega: learning rate of the mask's scores (SGD)"),
        SSL_Argument(
            "--spl_outer_lr", float, None, "eta_theta: learning rate of the weights (optim); none, a tenth of lr"
        ),
        SSL_Argument(
            "--spl_outer",
            str,
            "base",
            "loss of the outer steps, the base algorithm's own (base) or equation 6 (eq6), cross-entropy and the "
            "squared distance of two weak views",
        ),
        SSL_Argument(
            "--spl_validation_fraction",
            float,
            0.7,
            "|V1|/|V|: share of the validation images that the mask learns on; the others choose the model",
        ),
        SSL_Argument(
            "--spl_patience", int, 3, "rounds without a better validation after which the stage stops; 0, never"
        ),
        SSL_Argument(
            "--spl_control",
            str,
            None,
            "finetune trains the whole network on the same validation images for as many steps instead",
        ),
        SSL_Argument(
            "--spl_ablation",
            str,
            None,
            "what Table 3 leaves out, no_pretraining, no_identification (random masks), no_bilevel (mask and weights "
            "in one step), no_inner or no_outer",
        ),
    ]


def checked_settings(args: Any) -> Settings:
    """The settings from the run's arguments.

    Raises:
        ConfigError: a value that cannot be.
    """
    for key, options, nullable in (
        ("spl_mask", MASKS, False),
        ("spl_start", STARTS, False),
        ("spl_outer", OUTER_LOSSES, False),
        ("spl_control", CONTROLS, True),
        ("spl_ablation", ABLATIONS, True),
    ):
        value = getattr(args, key)
        if value not in options and not (nullable and value is None):
            raise unknown(key, value, options)
    for key, expected, holds in (
        ("spl_rounds", "1 or more", lambda value: value >= 1),
        ("spl_inner_steps", "1 or more", lambda value: value >= 1),
        ("spl_outer_steps", "1 or more", lambda value: value >= 1),
        ("spl_inner_lr", "a rate above 0", lambda value: value > 0),
        ("spl_outer_lr", "a rate above 0", lambda value: value > 0),
        ("spl_validation_fraction", "a share between 0 and 1, both excluded", lambda value: 0 < value < 1),
        ("spl_patience", "0 (never) or more", lambda value: value >= 0),
        ("spl_ratio", "a share above 0 and at most 1", lambda value: 0 < value <= 1),
        ("spl_mismatch", "a share in 0..1, or estimate", lambda value: value == "estimate" or 0 <= value <= 1),
    ):
        value = getattr(args, key)
        if value is not None and not holds(value):
            raise ConfigError(f"{key}: expected {expected}, but got {value}")
    if args.spl_control is not None and args.spl_ablation is not None:
        raise ConfigError(
            f"spl_control and spl_ablation: expected one of them, but got {args.spl_control} and {args.spl_ablation}"
        )
    if args.spl_from is not None and args.spl_ablation == "no_pretraining":
        raise ConfigError(f"spl_from: expected none with spl_ablation no_pretraining, but got {args.spl_from}")
    if args.spl_from is not None and not os.path.exists(args.spl_from):
        raise ConfigError(f"spl_from: expected the folder or the checkpoint of a run, but {args.spl_from} is not there")
    return Settings(
        mask=args.spl_mask,
        mismatch=args.spl_mismatch,
        ratio=args.spl_ratio,
        mask_head=args.spl_mask_head,
        start=args.spl_start,
        source=args.spl_from,
        rounds=args.spl_rounds,
        inner_steps=args.spl_inner_steps,
        outer_steps=args.spl_outer_steps,
        inner_lr=args.spl_inner_lr,
        outer_lr=OUTER_LR_FACTOR * args.lr if args.spl_outer_lr is None else args.spl_outer_lr,
        outer=args.spl_outer,
        validation_fraction=args.spl_validation_fraction,
        patience=args.spl_patience or None,
        control=args.spl_control,
        ablation=args.spl_ablation,
    )
