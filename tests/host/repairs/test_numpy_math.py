"""CReST's choice of pseudo-labels on numpy 2."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from semilearn.imb_algorithms.crest.crest import CReST

from usb_negsamp.host.patching import undone


def _split() -> tuple[Any, Any]:
    algorithm = object.__new__(CReST)
    algorithm.num_classes = 2
    algorithm.lb_class_dist = np.array([0.8, 0.2])
    algorithm.sampling_alpha = 1
    unlabeled = np.arange(20)
    picked = [np.arange(8), np.arange(8, 16)]
    return algorithm.get_split(np.array([100]), np.array([0]), unlabeled, unlabeled, picked)


@pytest.mark.skipif(hasattr(np, "math"), reason="this numpy still has np.math")
def test_host_needs_a_numpy_that_is_gone() -> None:
    with undone("numpy_math"), pytest.raises(AttributeError, match="math"):
        _split()


def test_the_rarer_class_keeps_all_its_pseudo_labels() -> None:
    data, targets = _split()
    # Imbalance 4: the head class keeps a quarter of its 8, the tail class all 8; one labeled sample comes last.
    assert data.tolist() == [0, 1, *range(8, 16), 100]
    assert targets.tolist() == [0] * 2 + [1] * 8 + [0]
