"""Drawing distinct classes for many samples at once: the classes with the largest random keys."""

from __future__ import annotations

import torch
from torch import Tensor


def check_num_negatives(num_negatives: int, most: int) -> None:
    """Check that so many classes can be drawn.

    Raises:
        ValueError: ``num_negatives`` is not in 1..``most``.
    """
    if not 1 <= num_negatives <= most:
        raise ValueError(f"Expected argument `num_negatives` to be in 1..{most}, but got {num_negatives}")


def uniform_keys(
    num_samples: int, num_classes: int, generator: torch.Generator | None, device: torch.device | str | None
) -> Tensor:
    """Return (N, K) float32 keys in [0, 1), drawn on the generator's device where there is one, put on ``device``."""
    if generator is None:
        return torch.rand(num_samples, num_classes, device=device)
    keys = torch.rand(num_samples, num_classes, generator=generator, device=generator.device)
    return keys if device is None else moved(keys, torch.device(device))


def exponential_keys(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return standard exponential keys with the shape, dtype and device of ``like``."""
    source = like.device if generator is None else generator.device
    return moved(
        torch.empty(like.shape, dtype=like.dtype, device=source).exponential_(generator=generator), like.device
    )


def moved(draws: Tensor, device: torch.device) -> Tensor:
    """Return ``draws`` on ``device``. On its way to a GPU the host waits for nothing."""
    if device.type == "cuda" and draws.device.type == "cpu":
        draws = draws.pin_memory()
    return draws.to(device, non_blocking=True)


def top_classes(keys: Tensor, count: int) -> Tensor:
    """Return the (N, K) bool mask of the ``count`` largest keys of each row."""
    chosen = keys.topk(count, dim=1, sorted=False).indices
    return torch.zeros_like(keys, dtype=torch.bool).scatter_(1, chosen, True)


def one_class(labels: Tensor, num_classes: int) -> Tensor:
    """Return the (N, K) bool mask that is true at each row's label."""
    mask = torch.zeros(labels.shape[0], num_classes, dtype=torch.bool, device=labels.device)
    return mask.scatter_(1, labels.long().unsqueeze(1), True)
