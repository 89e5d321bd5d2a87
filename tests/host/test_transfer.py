"""Copies to the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from usb_negsamp.host.transfer import on_device, pinned


class Host(Tensor):
    """A tensor of the host that keeps what is asked of it."""

    asked: list[Any]
    pinned = False

    def is_pinned(self, *_: Any) -> bool:
        return self.pinned

    def pin_memory(self, *_: Any) -> Host:
        copy = host_tensor(self.asked)
        copy.pinned = True
        self.asked.append("pinned")
        return copy

    def to(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((self.pinned, *args, kwargs))
        return "there"


def host_tensor(asked: list[Any]) -> Host:
    tensor = torch.ones(2).as_subclass(Host)
    tensor.asked = asked
    return tensor


GPU = torch.device("cuda", 1)


def test_to_a_gpu_it_goes_from_pinned_memory_without_a_wait() -> None:
    asked: list[Any] = []
    assert on_device({"x": host_tensor(asked)}, GPU) == {"x": "there"}
    assert asked == ["pinned", (True, GPU, {"non_blocking": True})]


def test_what_is_pinned_is_not_copied_once_more() -> None:
    asked: list[Any] = []
    tensor = host_tensor(asked)
    tensor.pinned = True
    assert on_device(tensor, GPU) == "there"
    assert asked == [(True, GPU, {"non_blocking": True})]


def test_what_is_on_a_device_is_not_pinned() -> None:
    tensor = torch.ones(2, device="meta")
    assert pinned(tensor) is tensor


def test_on_the_cpu_nothing_is_copied() -> None:
    tensor = torch.ones(2)
    assert on_device(tensor, torch.device("cpu")) is tensor
