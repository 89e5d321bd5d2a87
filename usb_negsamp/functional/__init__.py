"""The papers' mathematics: tensors in, tensors out. Knows torch and no host."""

from __future__ import annotations

import warnings
from typing import Any

from usb_negsamp.functional.density_ratio_gate import density_ratio_gate
from usb_negsamp.functional.dual_student import learning_samples, squared_error, stable_samples
from usb_negsamp.functional.gate import neighbor_gate
from usb_negsamp.functional.mixup import interleave, mixing_weights, mixup, sharpen
from usb_negsamp.functional.negatives import (
    default_threshold,
    negatives_outside,
    neighbor_negatives,
    oracle_negatives,
    threshold_negatives,
    uniform_negatives,
)
from usb_negsamp.functional.ns3l import ns3l_loss
from usb_negsamp.functional.open_set.curriculum import (
    domain_loss,
    mixed_cross_entropy,
    otsu_threshold,
    percentile_threshold,
    rarity_weights,
)
from usb_negsamp.functional.open_set.mismatch import estimate_mismatch, mismatch_from_posteriors
from usb_negsamp.functional.open_set.one_vs_all import (
    known_probs,
    one_vs_all_loss,
    open_consistency,
    open_entropy,
    open_targets,
)
from usb_negsamp.functional.open_set.uasd import confidence_threshold, mean_predictions, soft_cross_entropy
from usb_negsamp.functional.open_set.weighted_mean import weighted_mean
from usb_negsamp.functional.pseudo_negatives import ErrorPerception, pseudo_negative_labels, pseudo_negative_loss
from usb_negsamp.functional.ramps import linear_ramp, sigmoid_ramp, truncated_sigmoid_ramp
from usb_negsamp.functional.safe_parameters import (
    hard_mask,
    layer_ratios,
    magnitude_mask,
    rank_scores,
    safe_ratio,
    soft_mask,
)
from usb_negsamp.functional.temporal_ensembling import distance_to_targets, ensemble_targets, ensembled
from usb_negsamp.functional.transferred_negatives import (
    different_negatives_rate,
    different_negatives_rate_of_paper,
    negative_error_rate,
)

__all__ = [
    "ErrorPerception",
    "confidence_threshold",
    "default_threshold",
    "density_ratio_gate",
    "different_negatives_rate",
    "different_negatives_rate_of_paper",
    "distance_to_targets",
    "domain_loss",
    "ensemble_targets",
    "ensembled",
    "estimate_mismatch",
    "hard_mask",
    "interleave",
    "known_probs",
    "layer_ratios",
    "learning_samples",
    "linear_ramp",
    "magnitude_mask",
    "mean_predictions",
    "mismatch_from_posteriors",
    "mixed_cross_entropy",
    "mixing_weights",
    "mixup",
    "negative_error_rate",
    "negatives_outside",
    "neighbor_gate",
    "neighbor_negatives",
    "ns3l_loss",
    "one_vs_all_loss",
    "open_consistency",
    "open_entropy",
    "open_targets",
    "oracle_negatives",
    "otsu_threshold",
    "percentile_threshold",
    "pseudo_negative_labels",
    "pseudo_negative_loss",
    "rank_scores",
    "rarity_weights",
    "safe_ratio",
    "sharpen",
    "sigmoid_ramp",
    "soft_cross_entropy",
    "soft_mask",
    "squared_error",
    "stable_samples",
    "threshold_negatives",
    "truncated_sigmoid_ramp",
    "uniform_negatives",
    "weighted_mean",
]

_FORMER_NAMES = {"neighbour_negatives": "neighbor_negatives"}


def __getattr__(name: str) -> Any:
    """Names of earlier versions, each with a note, until the next minor version."""
    if name not in _FORMER_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(f"{name} is now spelled {_FORMER_NAMES[name]}", FutureWarning, stacklevel=2)
    return globals()[_FORMER_NAMES[name]]
