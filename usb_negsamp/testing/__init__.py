"""Small real runs for tests of algorithms, and a check that an algorithm keeps to what the host and we expect of one.

For ours and for those of third parties: :func:`check_algorithm` is all that a test of theirs needs to call.
"""

from __future__ import annotations

from usb_negsamp.testing.conformance import CHECKS, check_algorithm
from usb_negsamp.testing.report import ConformanceError, Outcome, Report
from usb_negsamp.testing.tiny import (
    TINY_RUN,
    build_tiny,
    parameters_of,
    seed_everything,
    tiny_arguments,
    train_tiny,
)

__all__ = [
    "CHECKS",
    "TINY_RUN",
    "ConformanceError",
    "Outcome",
    "Report",
    "build_tiny",
    "check_algorithm",
    "parameters_of",
    "seed_everything",
    "tiny_arguments",
    "train_tiny",
]
