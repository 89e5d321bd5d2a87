"""``get_config`` and ``Trainer``, the host's interface for notebooks (V24, V25, B23).

What is wrong: ``lighting/config.py`` gives arguments without ``distributed``, and on the main branch calls ``use_amp``
what the algorithms read as ``amp``; ``lighting/trainer.py`` selects GPU number None and never moves the averaged
network. How it shows: AttributeError in ``get_algorithm``, ValueError in ``Trainer``. How it is mended: the arguments
are completed, each name of the mixed-precision switch sets the other; the trainer takes the first GPU where none is
named, and the CPU where there is none. ``Trainer.fit`` calls neither ``warmup`` nor ``finetune`` nor the hooks of the
end, takes a step too many, and on the main branch calls no hook at all: Dash fails, nothing is learned there. It trains
as the host's ``train.py`` does. The notebook's loader of the images to evaluate draws them at random, some twice; it
goes through them in order. When it may go: when the host's notebooks run as they are.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import torch
from semilearn import algorithms
from semilearn.core.utils import build
from semilearn.lighting import trainer as trainer_module
from semilearn.lighting.config import get_config as host_get_config
from semilearn.lighting.trainer import Trainer

from usb_negsamp.host import device
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.datasets.extra_views import OF_ALGORITHM
from usb_negsamp.host.datasets.seeded_loading import SeededSampler
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


def in_order(config: Any, loader: Any) -> Any:
    """A loader of all samples in their order, in place of one that draws them as for training."""
    if not isinstance(getattr(loader, "sampler", None), SeededSampler):
        return loader
    return build.get_data_loader(config, loader.dataset.dataset, loader.batch_size, data_sampler=None, drop_last=False)


def fit(self: Any, train_lb_loader: Any, train_ulb_loader: Any, eval_loader: Any) -> None:
    """Train on the loaders given: the warm-up and the stage after the training, too, where the algorithm has them."""
    algorithm = self.algorithm
    loaders = {"train_lb": train_lb_loader, "train_ulb": train_ulb_loader, "eval": in_order(self.config, eval_loader)}
    algorithm.loader_dict = {**(algorithm.loader_dict or {}), **loaders}
    algorithm.it = algorithm.start_epoch = 0
    algorithm.best_eval_acc = 0.0
    if hasattr(algorithm, "warmup"):
        algorithm.warmup()
    algorithm.train()
    for name, value in algorithm.results_dict.items():
        self.logger.info(f"Model result - {name} : {value}")
    if hasattr(algorithm, "finetune"):
        algorithm.finetune()
    self.logger.info("Training finished.")


def apply() -> None:
    """Wrap ``get_config`` and ``get_algorithm``; replace ``Trainer.__init__`` and ``Trainer.fit``."""

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
        # Where the host's own methods find it, those that take a device.
        self.device = device.selected()
        torch.cuda.set_device(config.gpu)
        algorithm.model = algorithm.model.cuda(config.gpu)
        algorithm.ema_model = algorithm.ema_model.cuda(config.gpu)
        self.save_path = os.path.join(config.save_dir, config.save_name)
        self.logger = trainer_module.get_logger(config.save_name, save_path=self.save_path, level="INFO")

    get_algorithm_of_host = algorithms.get_algorithm

    @functools.wraps(get_algorithm_of_host)
    def get_algorithm(args: Any, *rest: Any, **kwargs: Any) -> Any:
        built = get_algorithm_of_host(args, *rest, **kwargs)
        if getattr(args, "own_loaders", False):
            setattr(args, OF_ALGORITHM, built.dataset_dict)
        return built

    get_data_loader_of_host = build.get_data_loader

    @functools.wraps(get_data_loader_of_host)
    def get_data_loader(args: Any, dset: Any, *rest: Any, **kwargs: Any) -> Any:
        own = vars(args).get(OF_ALGORITHM) or {}
        if len(rest) < 2 and any(dset is own.get(name) for name in ("eval", "test")):
            kwargs = {"data_sampler": None, "drop_last": False, **kwargs}
        return get_data_loader_of_host(args, dset, *rest, **kwargs)

    replace_everywhere(host_get_config, get_config)
    replace_everywhere(get_data_loader_of_host, get_data_loader)
    replace_everywhere(get_algorithm_of_host, get_algorithm)
    replace(Trainer, "__init__", __init__)
    replace(Trainer, "fit", fit)
