"""Loss scalers of two networks that are updated in the same step, which look at the gradients of both at once.

A loss scaler asks the GPU whether a gradient has overflowed before the weights may move, and the host waits for the
answer. Two networks with a scaler each would wait twice a step. Here the first network's scaler lets the second one's
update go ahead of its own once its gradients are there, and both answers come in one read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler

from usb_negsamp.host import device
from usb_negsamp.host.algorithm import HostAlgorithm


class FirstScaler(GradScaler):
    """The loss scaler of the network that is updated last: as PyTorch's, with a scale of its own.

    Attributes:
        second: the other network's.
        update_of_second: what is still to be done in this step, up to the other network's update; None: nothing.
    """

    def __init__(self, device: str, **settings: Any) -> None:
        super().__init__(device, **settings)
        self.second = SecondScaler(device, **settings)
        self.update_of_second: Callable[[], None] | None = None

    def step(self, optimizer: torch.optim.Optimizer, *args: Any, **kwargs: Any) -> float | None:
        """Update the second network, if that is still to be done, and this one, each unless a gradient overflowed."""
        returned = super().step(optimizer, *args, **kwargs)
        # An optimizer that asks the GPU itself has read nothing.
        self._let_second_go_ahead()
        return returned

    def _maybe_opt_step(
        self, optimizer: torch.optim.Optimizer, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any
    ) -> float | None:
        self.second.beside = _overflowed(optimizer_state)
        self._let_second_go_ahead()
        overflowed = self.second.take_beside()
        if overflowed is None:
            return super()._maybe_opt_step(optimizer, optimizer_state, *args, **kwargs)
        return None if overflowed else optimizer.step(*args, **kwargs)

    def _let_second_go_ahead(self) -> None:
        update, self.update_of_second = self.update_of_second, None
        if update is not None:
            update()


class SecondScaler(GradScaler):
    """The loss scaler of the network that is updated first, which reads for both.

    Attributes:
        beside: whether a gradient of the other network overflowed, 0 or 1, (), on the GPU; None: there is nothing to
            read for it.
    """

    def __init__(self, device: str, **settings: Any) -> None:
        super().__init__(device, **settings)
        self.beside: Tensor | None = None
        self._read: bool | None = None

    def take_beside(self) -> bool | None:
        """Whether a gradient of the other network overflowed; None where that was not read. Forgets it."""
        read, self._read, self.beside = self._read, None, None
        return read

    def _maybe_opt_step(
        self, optimizer: torch.optim.Optimizer, optimizer_state: dict[str, Any], *args: Any, **kwargs: Any
    ) -> float | None:
        if self.beside is None:
            return super()._maybe_opt_step(optimizer, optimizer_state, *args, **kwargs)
        own = _overflowed(optimizer_state)
        number = int(own.add(self.beside.to(own.device), alpha=2).item())
        self._read = bool(number & 2)
        return None if number & 1 else optimizer.step(*args, **kwargs)


def pair_scalers(first: HostAlgorithm, second: HostAlgorithm) -> None:
    """Let the loss scalers of both read together from here on; no others than PyTorch's own, and none that are off."""
    scalers = (first.loss_scaler, second.loss_scaler)
    if any(type(scaler) is not GradScaler or not scaler.is_enabled() for scaler in scalers):
        return
    paired = FirstScaler(device.selected().type)
    for new, old in zip((paired, paired.second), scalers, strict=True):
        new.load_state_dict(old.state_dict())
    first.loss_scaler, second.loss_scaler = paired, paired.second


def _overflowed(optimizer_state: dict[str, Any]) -> Tensor:
    """Whether the scaler has found that a gradient overflowed, 0 or 1, (), not read."""
    first, *others = optimizer_state["found_inf_per_device"].values()
    found: Tensor = torch.stack([first, *(other.to(first.device) for other in others)]).amax() if others else first
    return found
