"""What the formulas share: a working precision of float32 or better, row reductions, argument checks, draws.

Distinct classes are drawn for many samples at once: those with the largest random keys.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor

REDUCTIONS = ("mean", "sum", "none")


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` as it is if it is float32 or float64, else in float32."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast leaves operations on the device of ``x`` in their own precision."""
    return torch.autocast(device_type=x.device.type, enabled=False)


def reduce_rows(values: Tensor, reduction: str) -> Tensor:
    """Reduce one value a row: ``"mean"`` over all rows (0 if there are none), ``"sum"``, or ``"none"``."""
    if reduction == "mean":
        return values.mean() if values.shape[0] else values.sum()
    return values.sum() if reduction == "sum" else values


def check_loss_arguments(logits: Tensor, negatives: Tensor, reduction: str) -> None:
    """Check what can be checked from shapes and dtypes, without looking at (and so waiting for) the values.

    Raises:
        ValueError: ``logits`` is not (N, K) floating, ``negatives`` is not a bool tensor of that shape, or
            ``reduction`` is unknown.
    """
    if logits.dim() != 2 or not logits.is_floating_point():
        raise ValueError(f"Expected argument `logits` to be a floating (N, K) tensor, but got {_describe(logits)}")
    if negatives.dtype != torch.bool or negatives.shape != logits.shape:
        raise ValueError(
            f"Expected argument `negatives` to be a bool tensor of shape {tuple(logits.shape)}, "
            f"but got {_describe(negatives)}"
        )
    if reduction not in REDUCTIONS:
        raise ValueError(f"Expected argument `reduction` to be one of {', '.join(REDUCTIONS)}, but got {reduction!r}")


def check_weights(weights: Tensor, num_rows: int) -> None:
    """Check that ``weights`` is one floating number a row.

    Raises:
        ValueError: it is not.
    """
    if weights.shape != (num_rows,) or not weights.is_floating_point():
        raise ValueError(
            f"Expected argument `weights` to be a floating tensor of shape ({num_rows},), but got {_describe(weights)}"
        )


def check_labels(name: str, labels: Tensor) -> None:
    """Check that ``labels`` is one integer a sample.

    Raises:
        ValueError: it is not one-dimensional, or floating or bool.
    """
    if labels.dim() != 1 or labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"Expected argument `{name}` to be an integer (N,) tensor, but got {_describe(labels)}")


def check_between(name: str, value: float, low: float, high: float) -> None:
    """Check ``low <= value <= high``; NaN fails.

    Raises:
        ValueError: it is outside.
    """
    if not low <= value <= high:
        raise ValueError(f"Expected argument `{name}` to be in [{low:g}, {high:g}], but got {value}")


def _describe(x: Tensor) -> str:
    return f"{str(x.dtype).removeprefix('torch.')} {tuple(x.shape)}"


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
