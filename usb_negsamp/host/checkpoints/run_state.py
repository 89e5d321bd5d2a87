"""What decides the rest of a run, beside the host's own checkpoint entries: random generators and hooks' state."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.form import is_state


def run_state(algorithm: HostAlgorithm) -> dict[str, Any]:
    """The random generators' states and every hook's plain attributes, as plain tensors and numbers.

    A hook whose attributes are the run's settings and nothing else says so with ``settings_only = True``.
    """
    python_version, python_words, python_gauss = random.getstate()
    numpy_state = np.random.get_state(legacy=False)
    on_cuda = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    state: dict[str, Any] = {
        "torch_rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state() if on_cuda else None,
        "python_rng": [python_version, list(python_words), python_gauss],
        "numpy_rng": [
            numpy_state["state"]["key"].astype(np.int64),
            numpy_state["state"]["pos"],
            numpy_state["has_gauss"],
            numpy_state["gauss"],
        ],
        "hooks": {},
    }
    for name, hook in algorithm.hooks_dict.items():
        if getattr(hook, "settings_only", False):
            continue
        attributes = {key: value for key, value in vars(hook).items() if key not in ("name", "priority")}
        state["hooks"][name] = {
            key: value.detach().cpu() if isinstance(value, Tensor) else value
            for key, value in attributes.items()
            if is_state(value)
        }
    return state


def restore_run_state(algorithm: HostAlgorithm, state: dict[str, Any]) -> None:
    """Put the random generators and the hooks back as :func:`run_state` found them."""
    device = next(algorithm.model.parameters()).device
    torch.set_rng_state(state["torch_rng"])
    if state["cuda_rng"] is not None and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda_rng"])
    version, words, gauss = state["python_rng"]
    random.setstate((version, tuple(words), gauss))
    key, position, has_gauss, cached = state["numpy_rng"]
    np.random.set_state(("MT19937", np.asarray(key).astype(np.uint32), position, has_gauss, cached))
    restore_hooks(algorithm, state["hooks"])


def restore_hooks(algorithm: Any, hooks: Mapping[str, Mapping[str, Any]]) -> None:
    """Put back the attributes of those of the algorithm's hooks that ``hooks`` names."""
    device = next(algorithm.model.parameters()).device
    for name, attributes in hooks.items():
        hook = algorithm.hooks_dict.get(name)
        for attribute, value in attributes.items() if hook is not None else ():
            live = getattr(hook, attribute, None)
            if isinstance(value, Tensor):
                value = value.numpy() if isinstance(live, np.ndarray) else value.to(device)
            setattr(hook, attribute, value)
