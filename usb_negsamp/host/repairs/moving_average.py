"""The exponential moving average of the weights (B13), in three kernels instead of six hundred.

What is wrong: ``core/utils/misc.py`` ``EMA.apply_shadow`` makes the parameters aliases of the average, so that a change
in place corrupts it; applied twice, the raw weights are lost; a parameter added after the start is a KeyError.
``core/hooks/ema.py`` copies every tensor twice a step through two ``load_state_dict``. How it shows: wrong weights
after an evaluation inside an evaluation; 30 to 50% of a small step on a GPU. How it is mended: the average is kept in
the tensors of ``ema_model`` itself and moved by ``torch._foreach_*``; applying it copies, and nests. When it may
go: when the host's ``EMA`` does the same.
"""

from __future__ import annotations

import torch
from semilearn.core import hooks as host_hooks
from semilearn.core.utils import misc
from torch import Tensor, nn

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace_everywhere


class EMA:
    """Average of a model's parameters: shadow <- decay * shadow + (1 - decay) * parameter, once an update.

    The interface is the host's: ``register``, ``load``, ``update``, ``apply_shadow``, ``restore``, ``shadow``.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.shadow: dict[str, Tensor] = {}
        self.backup: dict[str, Tensor] = {}
        self._depth = 0

    @torch.no_grad()
    def register(self) -> None:
        """Start the average at the parameters as they are."""
        self.shadow = {name: parameter.detach().clone() for name, parameter in self.model.named_parameters()}

    @torch.no_grad()
    def load(self, ema_model: nn.Module) -> None:
        """Take the average from ``ema_model``'s parameters."""
        for name, parameter in ema_model.named_parameters():
            self.shadow[name] = parameter.detach().clone()

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the parameters; a parameter that is new starts its average at itself."""
        averages, parameters = [], []
        for name, parameter in self.model.named_parameters():
            if name not in self.shadow:
                self.shadow[name] = parameter.detach().clone()
            averages.append(self.shadow[name])
            parameters.append(parameter.detach())
        # In the host's order, so that it is the host's average to the last bit.
        shares = torch._foreach_mul(parameters, 1.0 - self.decay)
        torch._foreach_mul_(averages, self.decay)
        torch._foreach_add_(averages, shares)

    def apply_shadow(self) -> None:
        """Put a copy of the average into the model; inside another ``apply_shadow`` this changes nothing."""
        self._depth += 1
        if self._depth > 1:
            return
        for name, parameter in self.model.named_parameters():
            self.backup[name] = parameter.data
            parameter.data = self.shadow[name].clone() if name in self.shadow else parameter.data

    def restore(self) -> None:
        """Give the model its own parameters back, when the outermost ``apply_shadow`` ends."""
        self._depth -= 1
        if self._depth > 0:
            return
        for name, parameter in self.model.named_parameters():
            parameter.data = self.backup[name]
        self.backup = {}


class EMAHook(host_hooks.EMAHook):
    """Updates the average after each step and keeps ``ema_model`` equal to it."""

    @torch.no_grad()
    def before_run(self, algorithm: HostAlgorithm) -> None:
        algorithm.ema = EMA(algorithm.model, algorithm.ema_m)
        algorithm.ema.register()
        if algorithm.resume:
            algorithm.ema.load(algorithm.ema_model)
        self._share(algorithm)

    @torch.no_grad()
    def after_train_step(self, algorithm: HostAlgorithm) -> None:
        if algorithm.ema is None:
            return
        if self.shared is not algorithm.ema:
            self._share(algorithm)
        algorithm.ema.update()
        for averaged, live in self.buffers:
            torch._foreach_copy_(averaged, live)

    def _share(self, algorithm: HostAlgorithm) -> None:
        """Let ``ema_model``'s parameters be the tensors of the average, and pair the buffers by dtype."""
        self.shared = algorithm.ema
        device = next(algorithm.model.parameters()).device
        algorithm.ema_model.to(device)
        for name, parameter in algorithm.ema_model.named_parameters():
            parameter.data = algorithm.ema.shadow[name]
        live = dict(algorithm.model.named_buffers())
        pairs: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for name, buffer in algorithm.ema_model.named_buffers():
            averaged_group, live_group = pairs.setdefault(buffer.dtype, ([], []))
            averaged_group.append(buffer)
            live_group.append(live[name])
        self.buffers = list(pairs.values())


def apply() -> None:
    """Replace ``EMA`` and ``EMAHook``."""
    replace_everywhere(misc.EMA, EMA)
    replace_everywhere(host_hooks.EMAHook, EMAHook)
