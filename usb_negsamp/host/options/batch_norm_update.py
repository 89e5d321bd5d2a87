"""Which passes of a step move the running statistics of batch norms: ``bn_update: host | labeled | joint | all``.

============  ========================================================================================================
``host``      as the host's algorithm decides
``labeled``   the first pass that carries the labeled batch, and of a joined pass its labeled rows alone
``joint``     that pass as a whole, and the first pass of an unlabeled batch, where it is another one
``all``       every pass of the step, those of teachers, probes and second views included
============  ========================================================================================================

Statistics of evaluation are then those of the same images for every algorithm of a table: Oliver et al. (2018) update
them by the clean labeled and unlabeled images, the original VAT and MixMatch by labeled ones, Dual Student by every
pass. Normalization in training is untouched: a pass normalizes by the batch it is given, whatever it updates. A pass
with averaged weights counts under ``all`` only.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from semilearn.core import AlgorithmBase
from semilearn.core.hooks import Hook
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from usb_negsamp.errors import unknown
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace
from usb_negsamp.host.wrapping.passes.logits_tape import find_rows

NAMES = ("host", "labeled", "joint", "all")
HOOK_NAME = "BatchNormUpdateHook"

_NO_ROWS = slice(0, 0)
_ALL_ROWS = slice(None)


class BatchNormUpdateHook(Hook):
    """Decides before every pass of a training step which of its rows the batch norms learn from.

    Args:
        mode: ``labeled``, ``joint`` or ``all``.
    """

    settings_only = True
    listens_to_passes = True

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode
        self.network: nn.Module | None = None
        self.handles: list[Any] = []
        self.layers: list[Any] = []
        self.batch: dict[str, Any] = {}
        self.seen: set[str] = set()
        self.rows: slice | None = None
        self.before: list[bool] = []
        self.offsets: dict[tuple[Any, ...], int | None] = {}

    def before_train_step(self, algorithm: HostAlgorithm) -> None:
        """Begin a step; listen to the model, which CReST builds anew in each generation."""
        model = algorithm.model
        self.attach(model.module if isinstance(model, DistributedDataParallel) else model)
        self.algorithm = algorithm
        self.batch, self.seen = {}, set()

    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        """Let go of the step's batch."""
        self.batch = {}

    def attach(self, network: nn.Module) -> None:
        """Listen to the passes of ``network`` and of its batch norms."""
        if network is self.network:
            return
        for handle in self.handles:
            handle.remove()
        self.network = network
        self.layers = [
            layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None
        ]
        self.handles = [
            network.register_forward_pre_hook(self.begin_pass),
            network.register_forward_hook(self.end_pass, always_call=True),
            *(layer.register_forward_pre_hook(self.learn_from_rows) for layer in self.layers),
        ]

    def begin_pass(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Let the batch norms track this pass or not."""
        if not module.training or not self.batch or not inputs:
            return
        self.rows = self.rows_to_learn_from(inputs[0])
        self.before = [layer.track_running_stats for layer in self.layers]
        for layer in self.layers:
            layer.track_running_stats = self.rows == _ALL_ROWS

    def end_pass(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        """Give the batch norms back as the pass found them, frozen by the host or not."""
        if self.rows is None:
            return
        self.rows = None
        for layer, tracking in zip(self.layers, self.before, strict=True):
            layer.track_running_stats = tracking

    def learn_from_rows(self, layer: _BatchNorm, inputs: tuple[Tensor, ...]) -> None:
        """Update the running statistics of ``layer`` by some rows, ahead of its pass over all of them."""
        if self.rows is None or self.rows in (_ALL_ROWS, _NO_ROWS):
            return
        layer.track_running_stats = True
        with torch.no_grad():
            # The forward itself, which synchronized batch norms extend to all processes; not the call, which has hooks.
            layer.forward(inputs[0][self.rows].detach())
        layer.track_running_stats = False

    def rows_to_learn_from(self, passed: Any) -> slice:
        """Rows of the pass over ``passed`` by which ``mode`` updates the running statistics."""
        if self.mode == "all":
            return _ALL_ROWS
        ema = self.algorithm.ema
        if ema is not None and ema.backup:
            return _NO_ROWS
        labeled = self.rows_of("x_lb", passed)
        if labeled is not None and "labeled" not in self.seen:
            self.seen.add("labeled")
            if labeled == _ALL_ROWS or self.mode == "labeled":
                return labeled
            self.seen.add("unlabeled")
            return _ALL_ROWS
        if self.mode == "joint" and labeled is None and "unlabeled" not in self.seen:
            unlabeled = [key for key in self.batch if key.startswith("x_ulb")]
            if any(self.rows_of(key, passed) is not None for key in unlabeled):
                self.seen.add("unlabeled")
                return _ALL_ROWS
        return _NO_ROWS

    def rows_of(self, key: str, passed: Any) -> slice | None:
        """Where in ``passed`` the batch entry ``key`` stands; its place in a joined input is looked up once a shape."""
        entry = self.batch.get(key)
        if entry is passed:
            return _ALL_ROWS if entry is not None else None
        if not isinstance(entry, Tensor) or not isinstance(passed, Tensor) or len(passed) <= len(entry):
            return None
        place = (key, entry.shape, passed.shape)
        if place not in self.offsets:
            self.offsets[place] = find_rows(passed, entry)
        offset = self.offsets[place]
        return None if offset is None else slice(offset, offset + len(entry))


def mode_of(args: Any) -> str:
    """The run's ``bn_update``.

    Raises:
        ConfigError: no such choice.
    """
    mode = getattr(args, "bn_update", "host")
    if mode not in NAMES:
        raise unknown("bn_update", mode, NAMES)
    return mode


def apply() -> None:
    """Register the hook where a run asks for it, and show it the batch of each step."""
    set_hooks_of_host = AlgorithmBase.set_hooks
    process_batch_of_host = AlgorithmBase.process_batch

    @functools.wraps(set_hooks_of_host)
    def set_hooks(self: Any) -> None:
        set_hooks_of_host(self)
        mode = mode_of(self.args)
        if mode != "host":
            self.register_hook(BatchNormUpdateHook(mode), HOOK_NAME, "VERY_HIGH")

    @functools.wraps(process_batch_of_host)
    def process_batch(self: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        batch = process_batch_of_host(self, *args, **kwargs)
        hook = getattr(self, "hooks_dict", {}).get(HOOK_NAME)
        if hook is not None:
            hook.batch.update(batch)
        return batch

    replace(AlgorithmBase, "set_hooks", set_hooks)
    replace(AlgorithmBase, "process_batch", process_batch)
