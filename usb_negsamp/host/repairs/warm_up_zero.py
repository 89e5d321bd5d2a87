"""No warm-up of the unlabeled loss (B22).

What is wrong: pimodel, meanteacher, pseudolabel, vat, mixmatch and remixmatch weight their unlabeled loss with ``it /
(unsup_warm_up * num_train_iter)``. How it shows: ZeroDivisionError for ``unsup_warm_up: 0``. How it is mended: an
``unsup_warm_up`` of 0 is a number by which every step divided is 1 (:mod:`usb_negsamp.host.warm_up`): full weight from
the first step. When it may go: when the host treats 0 by itself.
"""

from __future__ import annotations

from semilearn.core import AlgorithmBase

from usb_negsamp.functional.ramps import linear_ramp
from usb_negsamp.host.patching import add
from usb_negsamp.host.warm_up import warm_up_property


def apply() -> None:
    """Make ``unsup_warm_up`` of every algorithm a property."""
    add(AlgorithmBase, "unsup_warm_up", warm_up_property(lambda algorithm: linear_ramp))
