"""Which weights are safe to begin with: the ratio p of equation 3 and the mask of the largest magnitudes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from usb_negsamp.algorithms.spl.masked import Mask, weight_of
from usb_negsamp.algorithms.spl.settings import SPLSettings
from usb_negsamp.errors import ConfigError
from usb_negsamp.functional import hard_mask, layer_ratios, magnitude_mask, rank_scores, safe_ratio


def labeled_ratio(dataset_dict: dict[str, Any]) -> float:
    """tau = m/n, labeled over unlabeled samples."""
    data = dataset_dict.get("open_set")
    if data is not None:
        return float(data.split.labeled_ratio)
    return len(dataset_dict["train_lb"]) / max(len(dataset_dict["train_ulb"]), 1)


def known_mismatch(settings: SPLSettings, dataset_dict: dict[str, Any]) -> float | None:
    """delta where it is given, or known from the split; None where it is to be estimated or not needed.

    Raises:
        ConfigError: it is neither given nor known.
    """
    if settings.mismatch == "estimate" or not settings.needs_mismatch:
        return None
    if settings.mismatch is not None:
        return float(settings.mismatch)
    data = dataset_dict.get("open_set")
    if data is None:
        raise ConfigError(
            "spl_mismatch: expected the share of unlabeled samples of unseen classes, 0..1, or estimate, because these "
            "data have no open-set split (seen_classes) that tells it, but got none"
        )
    return float(data.split.mismatch)


def kept_ratio(settings: SPLSettings, mismatch: float | None, dataset_dict: dict[str, Any]) -> float:
    """p, the share of weights to keep: given by hand, or by equation 3 from ``mismatch``."""
    if settings.ratio is not None:
        return settings.ratio
    assert mismatch is not None
    return safe_ratio(mismatch, labeled_ratio(dataset_dict))


def identify(network: nn.Module, layers: list[str], ratio: float, settings: SPLSettings, seed: int) -> dict[str, Mask]:
    """The initial masks by one threshold on the magnitudes of all ``layers``, whose ratios they keep from then on.

    A hard mask starts from the ranks of the magnitudes, a soft one from 1 at the safe weights and 0 at the others, so
    that both begin with the same network. Under the ablation ``no_identification`` ranks are random, at the same
    ratios.

    Args:
        network: not yet masked.
        layers: paths of the layers to mask.
        ratio: p, in (0, 1].
        settings: the kind of mask, and the ablation.
        seed: of the random ranks.
    """
    weights = {path: weight_of(network.get_submodule(path)) for path in layers}
    kept = magnitude_mask(weights, ratio)
    ratios = layer_ratios(kept)
    generator = torch.Generator().manual_seed(seed)
    masks = {}
    for path, weight in weights.items():
        scores = rank_scores(weight)
        if settings.ablation == "no_identification":
            order = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
            scores = rank_scores(order).to(scores)
            kept[path] = hard_mask(scores, ratios[path]).bool()
        if settings.mask == "soft":
            scores = kept[path].to(scores.dtype)
        masks[path] = Mask(kept[path], scores.clone(), ratios[path], soft=settings.mask == "soft")
    return masks


def overall_ratio(masks: dict[str, Mask]) -> float:
    """Share of the weights that all masks together keep now."""
    return sum(int(mask.kept.sum()) for mask in masks.values()) / sum(mask.mask.numel() for mask in masks.values())


def present_ratios(masks: dict[str, Mask]) -> dict[str, float]:
    """Share of the weights that each mask keeps now."""
    return layer_ratios({path: mask.kept for path, mask in masks.items()})
