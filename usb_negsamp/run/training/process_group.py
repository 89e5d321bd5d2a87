"""Joining the processes that torchrun started, and leaving together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.processes import Process

SECONDS_TO_SAY_WHY = 4.0
"""For which those stay that lost another process: torchrun ends it with them, and it lets the first speak first."""
_CONNECTION_LOST = ("Connection closed by peer", "Connection reset by peer")
"""What gloo says of a process that is gone."""


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


@contextmanager
def while_all_are_there(process: Process) -> Iterator[None]:
    """Say so in one line if another process ends inside the block, in which the processes wait for each other to begin.

    Raises:
        ConfigError: another process has ended.
    """
    try:
        yield
    except RuntimeError as error:
        if not process.distributed or not any(words in str(error) for words in _CONNECTION_LOST):
            raise
        time.sleep(SECONDS_TO_SAY_WHY)
        raise ConfigError("another process of this run has ended before the training began, and says why") from error


def wait_for_all(process: Process) -> None:
    """Return when every process has come here."""
    if process.distributed:
        import torch.distributed

        torch.distributed.barrier()
