"""How much memory the tensors of a step take: as PyTorch counts it on a GPU, as the living tensors tell it on a CPU."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from usb_negsamp.host import Hook

MEBIBYTE = 2**20


class LivingTensors(TorchDispatchMode):  # type: ignore[no-untyped-call,unused-ignore]
    """Counts, inside its block, the bytes of all tensors that an operation has read or made and that still live.

    A storage counts once, however many tensors show it. What is counted is the same on every machine: neither what an
    operation needs inside of it nor what an allocator keeps is in it. Tensors that no operation has met yet, such as an
    optimizer's averages before its first step, are not known of.

    Attributes:
        live: bytes now.
        peak: the most since :meth:`start_anew`.

    >>> with LivingTensors() as memory:
    ...     numbers = torch.zeros(256)
    ...     view = numbers[2:].neg_()
    ...     del numbers
    ...     larger = (view + 1).sum()
    >>> memory.live, memory.peak
    (1028, 2044)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call,unused-ignore]
        self.live = self.peak = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def start_anew(self) -> None:
        """Look for the peak from here on."""
        self.peak = self.live

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry the operation out, and count what it reads and makes."""
        self._count((args, kwargs))
        made = operation(*args, **(kwargs or {}))
        self._count(made)
        return made

    def _count(self, values: Any) -> None:
        for value in tree_iter(values):
            if isinstance(value, Tensor) and value.layout is torch.strided:
                self._count_storage(value.untyped_storage())
        self.peak = max(self.peak, self.live)

    def _count_storage(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place in self._known:
            return

        def ended(_: Any) -> None:
            self.live -= size
            del self._known[place]

        self._known[place] = weakref.ref(storage, ended)
        self.live += size


def peak_of(step: Callable[[], None], device: torch.device) -> float:
    """Return the most mebibytes of tensors in the second of two steps, by when everything that stays is there."""
    if device.type == "cuda":
        step()
        torch.cuda.reset_peak_memory_stats(device)
        step()
        most: int = torch.cuda.max_memory_allocated(device)
        return most / MEBIBYTE
    memory = LivingTensors()
    with memory:
        step()
        memory.start_anew()
        step()
    return memory.peak / MEBIBYTE


class PeaksOfStage(Hook):
    """Notes the most mebibytes of tensors in each step of SPL's stage, for ``device``; a context as long as it counts.

    Attributes:
        peaks: one a step, in order.
    """

    def __init__(self, device: torch.device) -> None:
        self.peaks: list[float] = []
        self._device = device
        self._memory = LivingTensors()

    def __enter__(self) -> PeaksOfStage:
        if self._device.type != "cuda":
            self._memory.__enter__()  # type: ignore[no-untyped-call,unused-ignore]
        return self

    def __exit__(self, *error: Any) -> None:
        if self._device.type != "cuda":
            self._memory.__exit__(*error)  # type: ignore[no-untyped-call,unused-ignore]

    def before_spl_stage(self, algorithm: Any) -> None:
        """Begin with the first step."""
        self._start_anew()

    def after_spl_step(self, algorithm: Any) -> None:
        """Note the peak of the step."""
        on_gpu = self._device.type == "cuda"
        most = torch.cuda.max_memory_allocated(self._device) if on_gpu else self._memory.peak
        self.peaks.append(most / MEBIBYTE)
        self._start_anew()

    def _start_anew(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        self._memory.start_anew()
