"""A small real run: ten steps on digits, on the CPU."""

from __future__ import annotations

import logging
import os
import random
from argparse import Namespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from usb_negsamp.host.algorithm import HostAlgorithm

TINY_RUN: dict[str, Any] = {
    "dataset": "digits",
    "num_classes": 10,
    "num_labels": 40,
    "validation_size": 60,
    "img_size": 16,
    "net": "small_cnn",
    "batch_size": 8,
    "uratio": 2,
    "eval_batch_size": 256,
    "epoch": 2,
    "num_train_iter": 10,
    "num_eval_iter": 5,
    "num_log_iter": 5,
    "num_workers": 0,
    "lr": 0.01,
    "ema_m": 0.9,
    "seed": 0,
    "device": "cpu",
}
"""Ten steps on scikit-learn's digits: a second or two on a CPU."""

# Keys of single algorithms that make their own preliminaries short.
_SHORT = {"num_wu_iter": 2, "queue_batch": 2, "da_len": 8, "cl_rounds": 2}


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's and PyTorch's global generators, as the host's launcher does."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def tiny_arguments(algorithm: str, save_dir: str | os.PathLike[str], **overrides: Any) -> Namespace:
    """Arguments of :data:`TINY_RUN` for a registered algorithm, with ``overrides``."""
    import usb_negsamp
    from usb_negsamp.host import ALGORITHMS
    from usb_negsamp.run.configuration.resolution import Sources, resolve

    usb_negsamp.register()
    readable = {argument.name.lstrip("-") for argument in ALGORITHMS[algorithm].get_argument()}
    short = {key: value for key, value in _SHORT.items() if key in readable}
    values = {**TINY_RUN, **short, "algorithm": algorithm, "save_dir": os.fspath(save_dir), **overrides}
    return resolve(Sources(None, values, {})).args


def build_tiny(algorithm: str, save_dir: str | os.PathLike[str], **overrides: Any) -> Any:
    """An algorithm ready to train :data:`TINY_RUN` on the CPU."""
    return build_from(tiny_arguments(algorithm, save_dir, **overrides))


def build_from(args: Namespace) -> Any:
    """An algorithm ready to train as ``args`` say, with all generators seeded."""
    from usb_negsamp.host import device
    from usb_negsamp.host.build import build_algorithm

    if device.select(args.device).type == "cuda" and args.gpu is None:
        # Without a number the host takes DataParallel, and synchronizes no batch norms among processes.
        args.gpu = args.rank % torch.cuda.device_count() if args.distributed else 0
    seed_everything(args.seed)
    logger = logging.getLogger("usb_negsamp.testing")
    return build_algorithm(args, logger).algorithm


def train_tiny(algorithm: str, save_dir: str | os.PathLike[str], **overrides: Any) -> Any:
    """Train :data:`TINY_RUN` with a registered algorithm, warm-up included, and return the algorithm."""
    built = build_tiny(algorithm, save_dir, **overrides)
    if hasattr(built, "warmup"):
        built.warmup()
    built.train()
    return built


def parameters_of(algorithm: HostAlgorithm) -> dict[str, torch.Tensor]:
    """Every tensor of the live and the averaged model, by name; copies on the CPU."""
    return {
        f"{kind}.{name}": tensor.detach().cpu().clone()
        for kind, model in (("model", algorithm.model), ("ema", algorithm.ema_model))
        for name, tensor in model.state_dict().items()
    }
