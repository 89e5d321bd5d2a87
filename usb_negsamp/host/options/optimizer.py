"""``optim: Adam`` beside the host's SGD and AdamW.

Oliver et al. (2018), NS3L and MixMatch train with Adam and its usual moments (0.9, 0.999, 1e-8). Weight decay, where a
run asks for it, is added to the gradient, for the parameters and at the layer-wise rates that the host chooses. The
host's ``get_optimizer`` (``core/utils/build.py``) leaves a variable undefined for a name that it does not know; such a
name is a one-line error.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
from semilearn.core.utils import build
from torch import nn

from usb_negsamp.errors import unknown
from usb_negsamp.host.patching import replace_everywhere

NAMES = ("Adam", "AdamW", "SGD")


def adam_like(optimizer: torch.optim.Optimizer, lr: float) -> torch.optim.Adam:
    """Adam over the parameter groups of ``optimizer``, each with its own learning rate and weight decay."""
    kept = optimizer.defaults.keys() - {"lr", "weight_decay"}
    groups = [{key: value for key, value in group.items() if key not in kept} for group in optimizer.param_groups]
    return torch.optim.Adam(groups, lr=lr)


def apply() -> None:
    """Wrap ``get_optimizer``."""
    original = build.get_optimizer
    signature = inspect.signature(original)

    @functools.wraps(original)
    def get_optimizer(net: nn.Module, *args: Any, **kwargs: Any) -> torch.optim.Optimizer:
        bound = signature.bind(net, *args, **kwargs)
        bound.apply_defaults()
        name = bound.arguments["optim_name"]
        if name not in NAMES:
            raise unknown("optimizer", name, NAMES)
        if name == "SGD" and bound.arguments.get("momentum") == 0:
            bound.arguments["nesterov"] = False  # PyTorch refuses it without a momentum
        if name == "Adam":
            bound.arguments["optim_name"] = "AdamW"
        optimizer: torch.optim.Optimizer = original(*bound.args, **bound.kwargs)
        return adam_like(optimizer, bound.arguments["lr"]) if name == "Adam" else optimizer

    replace_everywhere(original, get_optimizer)
