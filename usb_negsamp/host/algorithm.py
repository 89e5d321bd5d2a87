"""What wrappers, hooks and stages read of an algorithm of the host, for type checkers and for readers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import nn


class HostAlgorithm(Protocol):
    """An algorithm of the host, with or without our wrappers.

    The host's own classes have more; this is what our code uses. Where we read what one wrapper alone has, that wrapper
    is named in place of this.
    """

    args: Any
    """The run's configuration, a namespace."""
    algorithm: str
    """The name that the host's data sets choose the views of a sample by."""
    save_dir: str
    save_name: str
    resume: bool
    print_fn: Callable[..., Any]
    tb_log: Any
    """The host's TensorBoard log; None in processes that write none."""

    gpu: int | None
    rank: int
    world_size: int
    distributed: bool
    ngpus_per_node: int

    num_classes: int
    epochs: int
    num_train_iter: int
    num_eval_iter: int
    num_log_iter: int
    num_iter_per_epoch: int
    start_epoch: int
    epoch: int
    it: int
    """Number of the present step, counted from 0."""
    best_eval_acc: float
    best_it: int
    lambda_u: float
    """The weight of the algorithm's own unlabeled loss."""
    use_cat: bool
    """Whether labeled and unlabeled images take one pass."""
    ema_m: float
    """Decay of the moving average of the weights; 0 for none."""

    net_builder: Callable[..., nn.Module]
    model: nn.Module
    ema_model: nn.Module
    ema: Any
    """The host's keeper of the moving average; None before the run begins."""
    bn_controller: Any
    """Freezes and lets go of running statistics."""
    optimizer: torch.optim.Optimizer
    scheduler: Any
    """None where the rate is constant."""
    loss_scaler: Any
    use_amp: bool
    amp_cm: Callable[[], AbstractContextManager[Any]]
    """Makes the context of mixed precision; one that does nothing where there is none."""
    ce_loss: nn.Module
    consistency_loss: nn.Module

    dataset_dict: dict[str, Any]
    loader_dict: dict[str, Any]
    hooks_dict: OrderedDict[str, Any]
    """Hooks by their names, in the order in which they are called."""

    out_dict: dict[str, Any]
    """What the step has computed: ``loss`` and ``feat``, and entries of the algorithm's own."""
    log_dict: dict[str, Any]
    """The step's figures by their names."""
    results_dict: dict[str, Any]
    """The run's figures, from the end of the training on."""

    def set_dataset(self) -> Any: ...
    def set_data_loader(self) -> Any: ...
    def set_model(self) -> nn.Module: ...
    def set_optimizer(self) -> tuple[torch.optim.Optimizer, Any]: ...
    def set_hooks(self) -> None: ...

    def register_hook(self, hook: Any, name: str | None = None, priority: int | str = "NORMAL") -> None: ...
    def call_hook(self, fn_name: str, hook_name: str | None = None, *args: Any, **kwargs: Any) -> Any: ...

    def process_batch(self, input_args: Any = None, **kwargs: Any) -> dict[str, Any]: ...
    def process_out_dict(self, out_dict: dict[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]: ...
    def process_log_dict(
        self, log_dict: dict[str, Any] | None = None, prefix: str = "train", **kwargs: Any
    ) -> dict[str, Any]: ...

    def train_step(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Compute one step's loss: ``out_dict`` and ``log_dict``. The batch's keys are named by the parameters."""
        ...

    def train(self) -> None: ...
    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> dict[str, Any]: ...

    def get_save_dict(self) -> dict[str, Any]: ...
    def save_model(self, save_name: str, save_path: str) -> None: ...
    def load_model(self, load_path: str) -> Any: ...
