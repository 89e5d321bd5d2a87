"""CReST on numpy 2 (V4).

What is wrong: ``imb_algorithms/crest/crest.py`` calls ``np.math.pow``; numpy 2 has no ``np.math``. How it shows:
AttributeError at the second generation, after the first has been trained. How it is mended: in that module ``np`` is
numpy plus ``math``. When it may go: when the host imports ``math``.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
from semilearn.imb_algorithms.crest import crest

from usb_negsamp.host.patching import replace


class NumpyWithMath(ModuleType):
    """numpy as it was before version 2, for one module."""

    math = math

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def apply() -> None:
    """Give the module of CReST a numpy with ``math``, where numpy has none."""
    if not hasattr(np, "math"):
        replace(crest, "np", NumpyWithMath("numpy"))
