"""``get_config`` and ``Trainer``, the host's interface for notebooks (V24, V25).

What is wrong: ``lighting/config.py`` gives arguments without ``distributed``, and on the main branch calls ``use_amp``
what the algorithms read as ``amp``; ``lighting/trainer.py`` selects GPU number None and never moves the averaged
network. How it shows: AttributeError in ``get_algorithm``, ValueError in ``Trainer``. How it is mended: the arguments
are completed, each name of the mixed-precision switch sets the other; the trainer takes the first GPU where none is
named, and the CPU where there is none. When it may go: when the host's notebooks run as they are.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import torch
from semilearn.lighting import trainer as trainer_module
from semilearn.lighting.config import get_config as host_get_config
from semilearn.lighting.trainer import Trainer

from usb_negsamp.host import device
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.patching import replace, replace_everywhere


def complete(args: Any, given: dict[str, Any]) -> Any:
    """Add to ``args`` what the algorithms read and the host's ``get_config`` does not set."""
    mixed_precision = given.get("amp", given.get("use_amp", getattr(args, "amp", getattr(args, "use_amp", False))))
    args.amp = args.use_amp = mixed_precision
    if "distributed" not in given:
        args.distributed = args.world_size > 1 or args.multiprocessing_distributed
    # The user passes loaders to Trainer.fit: see unknown_dataset.
    args.own_loaders = True
    return args


def apply() -> None:
    """Wrap ``get_config``; replace ``Trainer.__init__``."""

    @functools.wraps(host_get_config)
    def get_config(config: dict[str, Any]) -> Any:
        return complete(host_get_config(config), config)

    @functools.wraps(Trainer.__init__)
    def __init__(self: Any, config: Any, algorithm: HostAlgorithm, verbose: int = 0) -> None:
        self.config, self.algorithm, self.verbose = config, algorithm, verbose
        if device.selected().type == "cpu":
            # A notebook need not have selected anything, and the methods that follow say .cuda() too.
            device.select("cpu")
        elif config.gpu is None:
            config.gpu = algorithm.gpu = algorithm.args.gpu = 0
        torch.cuda.set_device(config.gpu)
        algorithm.model = algorithm.model.cuda(config.gpu)
        algorithm.ema_model = algorithm.ema_model.cuda(config.gpu)
        self.save_path = os.path.join(config.save_dir, config.save_name)
        self.logger = trainer_module.get_logger(config.save_name, save_path=self.save_path, level="INFO")

    replace_everywhere(host_get_config, get_config)
    replace(Trainer, "__init__", __init__)
