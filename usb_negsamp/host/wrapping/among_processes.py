"""Where a process stands among those that share a batch, sums over them, and the network that they have in common.

Row i of process r is row i * P + r of the batch that one process would have (the host's samplers deal samples out in
turn), so that what is drawn for all P * N rows and cut down to one's own is the same for any number of processes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from usb_negsamp.host.algorithm import HostAlgorithm


def share_of(algorithm: HostAlgorithm) -> tuple[int, int]:
    """This process's rank and the number of processes P."""
    return (algorithm.rank, algorithm.world_size) if algorithm.distributed else (0, 1)


def drawn_together(draw: Callable[[Tensor], Tensor], rows: Tensor, algorithm: HostAlgorithm) -> Tensor:
    """This process's rows of ``draw(rows of all processes)``; the rows of others are zeros to it.

    ``draw`` must treat rows independently, and start from the same random state on every process.
    """
    rank, count = share_of(algorithm)
    if count == 1:
        return draw(rows)
    everyone = rows.new_zeros(len(rows) * count, *rows.shape[1:])
    everyone[rank::count] = rows
    return draw(everyone)[rank::count]


def gathered(rows: Tensor, algorithm: HostAlgorithm, total: int | None = None) -> Tensor:
    """The rows of all processes in the order of the batch that one process would have, without a gradient.

    Args:
        rows: (N, ...), this process's.
        algorithm: for its place among the processes.
        total: rows of all of them; none: every process has N.
    """
    rank, count = share_of(algorithm)
    if count == 1:
        return rows.detach()
    everyone = rows.new_zeros(len(rows) * count if total is None else total, *rows.shape[1:])
    everyone[rank::count] = rows.detach()
    return summed(everyone, algorithm)


def summed(values: Tensor, algorithm: HostAlgorithm) -> Tensor:
    """``values`` summed over the processes, in place."""
    if share_of(algorithm)[1] > 1:
        dist.all_reduce(values)
    return values


def network_of(model: nn.Module) -> nn.Module:
    """The network inside the parallel wrapper, if there is one."""
    return model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else model
