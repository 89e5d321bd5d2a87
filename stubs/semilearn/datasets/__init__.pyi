from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler

# Our subclass yields keyed samples, the host's own its indices.
class DistributedSampler(Sampler[Any]):
    dataset: Any
    num_replicas: int
    rank: int
    epoch: int
    total_size: int
    num_samples: int

    def __init__(
        self,
        dataset: Any,
        num_replicas: int | None = None,
        rank: int | None = None,
        num_samples: int | None = None,
        **kwargs: Any,
    ) -> None: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __len__(self) -> int: ...
    def set_epoch(self, epoch: int) -> None: ...

def __getattr__(name: str) -> Any: ...
