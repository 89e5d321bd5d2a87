"""SoftMatch with several processes, and with a Gaussian per class (B8).

What is wrong: ``algorithms/softmatch/utils.py`` calls ``self.concat_all_gather``, which is a function of the module,
and reads ``self.args``, which the hook does not have. How it shows: AttributeError in the first step of several
processes, and at once with ``per_class: True``. How it is mended: the hook gets the function; the statistics per class
start as the single ones do. When it may go: when the host calls the function, and uses ``num_classes``.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from semilearn.algorithms.softmatch.utils import SoftMatchWeightingHook
from semilearn.algorithms.utils import concat_all_gather

from usb_negsamp.host.patching import add, replace


def apply() -> None:
    """Complete ``SoftMatchWeightingHook``."""
    original = SoftMatchWeightingHook.__init__

    @functools.wraps(original)
    def __init__(
        self: Any,
        num_classes: int,
        n_sigma: float = 2,
        momentum: float = 0.999,
        per_class: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        original(self, num_classes, n_sigma, momentum, False, *args, **kwargs)
        self.per_class = per_class
        if per_class:
            self.prob_max_mu_t = torch.full((num_classes,), 1.0 / num_classes)
            self.prob_max_var_t = torch.ones(num_classes)

    replace(SoftMatchWeightingHook, "__init__", __init__)
    if not hasattr(SoftMatchWeightingHook, "concat_all_gather"):
        add(SoftMatchWeightingHook, "concat_all_gather", staticmethod(concat_all_gather))
