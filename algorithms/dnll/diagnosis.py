"""How often what two networks tell each other is wrong: figures to look at, which nothing learns from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from usb_negsamp.host.wrapping.peer import PairWrapper


@torch.no_grad()
def negative_figures(
    algorithm: PairWrapper,
    labels: Sequence[Tensor],
    negatives: Sequence[Tensor],
    rows: Sequence[Tensor] | None = None,
) -> dict[str, Tensor]:
    """Figures of one step, of this process, by the true labels of its unlabeled images where the data set has them.

    ``train/dnll_pseudo_label_error`` is the share of samples whose pseudo label is wrong, ``train/dnll_negative_error``
    that of samples one of whose negatives is their true class, both over both networks (Theorem 3.1);
    ``train/dnll_different_negatives`` is the share of samples on which their negatives are not the same set
    (Theorem 3.2).

    Args:
        algorithm: the first of the two networks, in a step.
        labels: pseudo labels (N,) of both networks.
        negatives: masks (N, K) that they made of them.
        rows: samples (N,), bool, on which each network's negatives are used; none: all.

    Returns:
        the figures; without true labels (STL-10's unlabeled images, open-set pools, domain adaptation) the last alone.
    """
    figures = {"train/dnll_different_negatives": (negatives[0] != negatives[1]).any(dim=1).float().mean()}
    true = true_labels(algorithm)
    if true is None:
        return figures
    true = true.to(labels[0].device)
    known = (true >= 0) & (true < algorithm.num_classes)
    index = true.clamp(0, algorithm.num_classes - 1)
    counted = torch.cat([known if rows is None else known & rows[i] for i in range(2)])
    if counted.any():
        wrong_labels = torch.cat([labels[i] != index for i in range(2)])
        wrong_negatives = torch.cat([negatives[i].gather(1, index[:, None])[:, 0] for i in range(2)])
        figures["train/dnll_pseudo_label_error"] = wrong_labels[counted].float().mean()
        figures["train/dnll_negative_error"] = wrong_negatives[counted].float().mean()
    return figures


def true_labels(algorithm: PairWrapper) -> Tensor | None:
    """True labels (N,), int64, of the step's unlabeled images, on the CPU; none where the data set keeps none."""
    index = algorithm.batch_of_peer().get("idx_ulb")
    targets = getattr(algorithm.dataset_dict["train_ulb"], "targets", None)
    if index is None or targets is None:
        return None
    return torch.as_tensor(targets)[index.cpu()].long()
