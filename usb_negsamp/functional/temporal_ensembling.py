"""Temporal Ensembling: what an image's past predictions say is the target of the present one.

Laine, Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017, section 2.2 and algorithm 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.functional._numerics import at_least_float32, without_autocast


def ensembled(memory: Tensor, probs: Tensor, decay: float) -> Tensor:
    """Return the memory after one epoch more, Z <- alpha Z + (1 - alpha) z, (N, K).

    Args:
        memory: (N, K), floating, Z; zeros before the first epoch.
        probs: (N, K), floating, z: the epoch's predictions.
        decay: alpha, in [0, 1).

    Raises:
        ValueError: an argument differs from the above.

    >>> ensembled(torch.tensor([[0.5, 0.5]]), torch.tensor([[1.0, 0.0]]), 0.6)
    tensor([[0.7000, 0.3000]])
    """
    _check(memory, decay)
    _check_shape("probs", probs, memory)
    return decay * memory + (1.0 - decay) * probs


def ensemble_targets(memory: Tensor, decay: float, epoch: int | Tensor) -> Tensor:
    """Return the targets Z / (1 - alpha^t), (N, K), with t = ``epoch`` + 1 epochs in the memory (startup bias).

    Args:
        memory: (N, K), floating, Z, which began at zeros.
        decay: alpha, in [0, 1).
        epoch: number, counted from 0, of the last epoch that went into the memory; or (N,), integers, one for each
            image, where some have missed epochs. -1: none has, and the targets are zeros.

    Raises:
        ValueError: an argument differs from the above.

    >>> memory = ensembled(torch.zeros(1, 2), torch.tensor([[0.75, 0.25]]), 0.6)
    >>> ensemble_targets(memory, 0.6, 0)
    tensor([[0.7500, 0.2500]])
    """
    _check(memory, decay)
    epochs = torch.as_tensor(epoch, device=memory.device)
    if epochs.is_floating_point() or epochs.dtype == torch.bool or epochs.shape not in ((), memory.shape[:1]):
        raise ValueError(
            f"Expected argument `epoch` to be an integer or an integer ({len(memory)},) tensor, but got "
            f"{epochs.dtype} {tuple(epochs.shape)}"
        )
    powers = torch.pow(torch.full((), decay, dtype=memory.dtype, device=memory.device), epochs + 1)
    share = (1.0 - powers).reshape(-1, 1)
    return torch.where(share > 0, memory / share.clamp(min=torch.finfo(memory.dtype).tiny), 0.0)


def distance_to_targets(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean over the classes of the squared difference of each row's probabilities and target, (N,).

    Args:
        logits: (N, K), floating. Half precision is computed in float32, also under autocast.
        targets: (N, K), floating; probabilities. They carry no gradient.

    Raises:
        ValueError: a shape or dtype differs from the above.

    >>> distance_to_targets(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    tensor([0.2500])
    """
    if logits.dim() != 2 or not logits.is_floating_point():
        raise ValueError(
            f"Expected argument `logits` to be a floating (N, K) tensor, but got {logits.dtype} {tuple(logits.shape)}"
        )
    _check_shape("targets", targets, logits)
    with without_autocast(logits):
        difference = at_least_float32(logits).softmax(dim=1) - at_least_float32(targets.detach())
        return difference.square().mean(dim=1)


def _check(memory: Tensor, decay: float) -> None:
    if memory.dim() != 2 or not memory.is_floating_point():
        raise ValueError(
            f"Expected argument `memory` to be a floating (N, K) tensor, but got {memory.dtype} {tuple(memory.shape)}"
        )
    if not 0.0 <= decay < 1.0:
        raise ValueError(f"Expected argument `decay` to be in [0, 1), but got {decay}")


def _check_shape(name: str, rows: Tensor, others: Tensor) -> None:
    if rows.shape != others.shape or not rows.is_floating_point():
        raise ValueError(
            f"Expected argument `{name}` to be a floating {tuple(others.shape)} tensor, but got {rows.dtype} "
            f"{tuple(rows.shape)}"
        )
