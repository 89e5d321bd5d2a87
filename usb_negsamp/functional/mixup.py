"""What MixMatch does to labels and batches (Berthelot et al., NeurIPS 2019, section 3, and its authors' code)."""

from __future__ import annotations

import torch
from torch import Tensor

from usb_negsamp.functional._numerics import at_least_float32, moved, without_autocast


def sharpen(probs: Tensor, temperature: float) -> Tensor:
    """Return p_k^(1/T) / sum_j p_j^(1/T) of every row (eq. 7).

    Args:
        probs: (N, K), floating, rows that sum to 1.
        temperature: T, more than 0; 1 changes nothing, and near 0 the likeliest class gets all.

    Raises:
        ValueError: ``temperature`` is not more than 0.

    >>> [round(p, 3) for p in sharpen(torch.tensor([[0.75, 0.25]]), 0.5).squeeze().tolist()]
    [0.9, 0.1]
    """
    if not temperature > 0:
        raise ValueError(f"Expected argument `temperature` to be more than 0, but got {temperature}")
    with without_autocast(probs):
        # By logarithms: a power of a small probability would underflow before it is divided.
        return torch.softmax(at_least_float32(probs).log() / temperature, dim=-1)


def mixing_weights(num_samples: int, alpha: float, device: torch.device | str | None = None) -> Tensor:
    """Return (N,) weights max(lambda, 1 - lambda), each with a lambda of its own from Beta(alpha, alpha) (eq. 8, 9).

    Every weight is in [0.5, 1], so that a mixed sample stays nearer to the first of the two. Drawn on the host from its
    default generator, so that a seed gives the same weights on every device.

    Args:
        num_samples: N.
        alpha: of the distribution; 0 or less mixes nothing, as in the host.
        device: of the result.
    """
    if alpha <= 0:
        return torch.ones(num_samples, device=device)
    concentration = torch.full((num_samples,), float(alpha))
    weights = torch.distributions.Beta(concentration, concentration, validate_args=False).sample()
    weights = torch.maximum(weights, 1.0 - weights)
    return weights if device is None else moved(weights, torch.device(device))


def mixup(values: Tensor, partners: Tensor, weights: Tensor) -> Tensor:
    """Return weight_i * value_i + (1 - weight_i) * value_partner(i) of every row (eq. 10, 11).

    Args:
        values: (N, ...), floating: images, or their labels as probabilities.
        partners: (N,) integers, the row that each row is mixed with.
        weights: (N,), that of the row itself.

    Raises:
        ValueError: the three do not have one entry a row.

    >>> mixup(torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([1, 0]), torch.tensor([0.75, 1.0])).tolist()
    [[0.75, 0.25], [0.0, 1.0]]
    """
    if not values.shape[:1] == partners.shape == weights.shape:
        raise ValueError(
            f"Expected one of `partners` and of `weights` for each of {values.shape[0]} rows, "
            f"but got {tuple(partners.shape)} and {tuple(weights.shape)}"
        )
    weights = weights.to(values.dtype).view(-1, *[1] * (values.dim() - 1))
    return torch.lerp(values[partners], values, weights)


def interleave(rows: Tensor, num_batches: int) -> Tensor:
    """Exchange equal shares of batches that stand one after the other, so that each holds 1/n of every one.

    Each of the n batches is cut into n parts; part g of the result's batch b is part g of the batch (g - b) mod n. The
    place within a batch is kept. It is its own inverse: ``interleave(interleave(x, n), n)`` is ``x``.

    Args:
        rows: (n * B, ...), the batches joined.
        num_batches: n.

    Raises:
        ValueError: the rows are not ``num_batches`` times some number.

    >>> interleave(torch.tensor([0, 1, 2, 10, 11, 12, 20, 21, 22]), 3).tolist()
    [0, 11, 22, 20, 1, 12, 10, 21, 2]
    """
    if num_batches < 1 or len(rows) % num_batches:
        raise ValueError(f"Expected argument `rows` to be {num_batches} batches of one size, but got {len(rows)} rows")
    batch_size = len(rows) // num_batches
    place = torch.arange(batch_size, device=rows.device)
    # The part that a place is in, where part g begins at g * B / n, rounded down.
    part = ((place + 1) * num_batches - 1) // max(batch_size, 1)
    batch = torch.arange(num_batches, device=rows.device).unsqueeze(1)
    source = (part - batch) % num_batches
    return rows.index_select(0, (source * batch_size + place).flatten())
