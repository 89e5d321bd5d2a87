"""What NS3L's negatives are to the network that a run has left, and how often the true labels say they are wrong."""

from __future__ import annotations

from typing import Any

import torch

from usb_negsamp.algorithms.ns3l.rules import NegativeTable, negative_table
from usb_negsamp.algorithms.ns3l.settings import NS3LSettings
from usb_negsamp.functional import threshold_negatives
from usb_negsamp.host.evaluation.judgment import judged_pool
from usb_negsamp.run.report.page.statistics import Negatives, negatives

MOST_IMAGES = 2000
"""Unlabeled images of which the negatives are counted."""


def table_of_rule(algorithm: Any) -> NegativeTable | None:
    """What a rule draws from that does not look at the network's output; None for ``ns3l_rule: threshold``.

    Args:
        algorithm: with NS3L, built as the run was, before it has other weights: a rule may look at its features.
    """
    settings = NS3LSettings.from_arguments(algorithm.args)
    return None if settings.rule == "threshold" else negative_table(algorithm, settings)


def judged_negatives(algorithm: Any, table: NegativeTable | None) -> Negatives | None:
    """The negatives of the unlabeled images without augmentation, those of no known label left out.

    Args:
        algorithm: with NS3L, and with the weights that the negatives are made by.
        table: what :func:`table_of_rule` returned.
    """
    pool, indices = judged_pool(algorithm, MOST_IMAGES)
    if table is None:
        threshold = NS3LSettings.from_arguments(algorithm.args).threshold
        mask = threshold_negatives(pool.logits.softmax(1), threshold)
    else:
        mask = table.draw(torch.as_tensor(indices, device=table.excluded.device), 0).cpu()
    known = pool.labels >= 0
    if not known.any():
        return None
    return negatives(mask[known].numpy(), pool.labels[known].numpy())
