"""Joining the processes that torchrun started, and leaving together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.processes import Process


@contextmanager
def process_group(process: Process, device_type: str) -> Iterator[None]:
    """Be a member of the process group for the length of the block; nothing for a single process."""
    if not process.distributed:
        yield
        return
    import torch.distributed

    absent = [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]
    if absent:
        raise ConfigError(f"WORLD_SIZE is {process.world_size}, but {absent[0]} is not set: start it by torchrun")
    on_gpu = device_type == "cuda"
    torch.distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        init_method="env://",
        rank=process.rank,
        world_size=process.world_size,
        # Else the first barrier has to guess the GPU, and says so.
        device_id=torch.device("cuda", process.local_rank) if on_gpu else None,
    )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def wait_for_all(process: Process) -> None:
    """Return when every process has come here."""
    if process.distributed:
        import torch.distributed

        torch.distributed.barrier()
