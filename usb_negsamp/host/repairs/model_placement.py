"""Sending a network to the selected device (V9, B14).

What is wrong: ``core/utils/misc.py`` ``send_model_cuda`` raises without CUDA; under DDP it divides ``args.batch_size``
after the loaders were made with the undivided one, and once more for a second network. How it shows: "ONLY GPU
TRAINING IS SUPPORTED"; a logged batch size that no loader has. How it is mended: on the CPU the network stays where it
is, with gloo DDP and synchronized batch statistics where several processes run; the batch size is never touched here.
A host that takes the CPU only where there is no GPU takes it where it is selected. When it may go: when the host takes
a device, and divides the batch before it makes the loaders.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from semilearn.core.utils import misc
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from usb_negsamp.host import device
from usb_negsamp.host.patching import replace_everywhere
from usb_negsamp.host.sync_batch_norm import convert_sync_batch_norm


def apply() -> None:
    """Replace ``send_model_cuda``, and ``get_device`` where the host has it."""
    original = misc.send_model_cuda
    # A host that divides the batch elsewhere has no such argument.
    undivided = {"clip_batch": False} if "clip_batch" in inspect.signature(original).parameters else {}

    @functools.wraps(original)
    def send_model_cuda(args: Any, model: nn.Module, clip_batch: bool = False) -> nn.Module:
        if device.selected().type == "cuda":
            placed: nn.Module = original(args, model, **undivided)
            return placed
        if not args.distributed:
            return model
        return DistributedDataParallel(
            convert_sync_batch_norm(model), broadcast_buffers=False, find_unused_parameters=True
        )

    replace_everywhere(original, send_model_cuda)

    if hasattr(misc, "get_device"):
        replace_everywhere(misc.get_device, _selected_first(misc.get_device))


def _selected_first(get_device_of_host: Callable[[int | None], torch.device]) -> Callable[[int | None], torch.device]:
    @functools.wraps(get_device_of_host)
    def get_device(gpu: int | None = None) -> torch.device:
        return device.selected() if device.selected().type == "cpu" else get_device_of_host(gpu)

    return get_device
