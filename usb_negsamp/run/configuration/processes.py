"""One process or several: what ``torchrun`` says, and the process group."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from usb_negsamp.errors import ConfigError


@dataclass(frozen=True)
class Process:
    """Which process of how many this is."""

    rank: int = 0
    local_rank: int = 0
    world_size: int = 1
    local_world_size: int = 1
    """How many of them are on this machine."""

    @property
    def is_main(self) -> bool:
        """Whether this process prints and writes."""
        return self.rank == 0

    @property
    def distributed(self) -> bool:
        """Whether there are others."""
        return self.world_size > 1


def from_environment(environment: Mapping[str, str] | None = None) -> Process:
    """Return the process that ``torchrun`` describes in RANK, LOCAL_RANK, WORLD_SIZE and LOCAL_WORLD_SIZE.

    Without a WORLD_SIZE above 1 it is the only one: some schedulers set a RANK of their own. Without a LOCAL_WORLD_SIZE
    there are on this machine those that LOCAL_RANK tells of.

    Raises:
        ConfigError: they are no numbers, or do not fit each other.

    >>> from_environment({"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"})
    Process(rank=1, local_rank=1, world_size=2, local_world_size=2)
    >>> from_environment({"RANK": "3"})
    Process(rank=0, local_rank=0, world_size=1, local_world_size=1)
    """
    environment = os.environ if environment is None else environment
    try:
        numbers = [int(environment.get(name) or default) for name, default in _VARIABLES.items()]
    except ValueError as error:
        raise ConfigError(f"{', '.join(_VARIABLES)}: expected whole numbers, but got {error}") from error
    rank, local_rank, world_size, local_world_size = numbers
    if world_size <= 1:
        return Process()
    if not 0 <= rank < world_size or local_rank < 0:
        raise ConfigError(
            "RANK and LOCAL_RANK: expected the first below WORLD_SIZE and none below 0, "
            f"but got RANK {rank}, WORLD_SIZE {world_size} and LOCAL_RANK {local_rank}"
        )
    return Process(rank, local_rank, world_size, max(local_world_size, local_rank + 1))


_VARIABLES = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 0}


def configure_distributed(args: Any, process: Process, device_type: str) -> None:
    """Set what the host's code reads about processes and GPUs, and this process's share of the batch."""
    args.distributed = args.multiprocessing_distributed = process.distributed
    args.world_size, args.rank = process.world_size, process.rank
    args.dist_backend = "nccl" if device_type == "cuda" else "gloo"
    args.batch_size //= process.world_size
    if device_type == "cpu":
        args.gpu = None
        return
    import torch

    args.gpu = process.local_rank if process.distributed or args.gpu is None else args.gpu
    torch.cuda.set_device(args.gpu)
