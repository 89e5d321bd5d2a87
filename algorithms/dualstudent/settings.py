"""The keys by which two students are coupled."""

from __future__ import annotations

from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.host import SSL_Argument


def own_arguments() -> list[Any]:
    """The keys of the stabilization loss."""
    # What stands before ": " is the paper's symbol.
    return [
        SSL_Argument(
            "--dualstudent_threshold",
            float,
            0.8,
            "xi: probability above which at least one of the two predictions of a stable network is, in [0, 1]",
        ),
        SSL_Argument(
            "--dualstudent_stabilization_weight",
            float,
            100.0,
            "lambda_2: weight of the loss by which the more stable network teaches the other; 0 switches it off",
        ),
    ]


def check_settings(args: Any) -> None:
    """Check the keys of :func:`own_arguments`.

    Raises:
        ConfigError: a value outside its range.
    """
    if not 0.0 <= args.dualstudent_threshold <= 1.0:
        raise ConfigError(f"dualstudent_threshold: expected a value in 0..1, but got {args.dualstudent_threshold:g}")
    if not 0.0 <= args.dualstudent_stabilization_weight < float("inf"):
        raise ConfigError(
            "dualstudent_stabilization_weight: expected a value of 0 or more, "
            f"but got {args.dualstudent_stabilization_weight:g}"
        )
