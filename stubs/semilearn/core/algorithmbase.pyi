from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import nn

from usb_negsamp.host.algorithm import HostAlgorithm

class AlgorithmBase(HostAlgorithm):
    args: Any
    algorithm: str
    save_dir: str
    save_name: str
    resume: bool
    print_fn: Callable[..., Any]
    tb_log: Any
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
    best_eval_acc: float
    best_it: int
    lambda_u: float
    use_cat: bool
    ema_m: float
    net_builder: Callable[..., nn.Module]
    model: nn.Module
    ema_model: nn.Module
    ema: Any
    bn_controller: Any
    optimizer: torch.optim.Optimizer
    scheduler: Any
    loss_scaler: Any
    use_amp: bool
    amp_cm: Callable[[], AbstractContextManager[Any]]
    ce_loss: nn.Module
    consistency_loss: nn.Module
    dataset_dict: dict[str, Any]
    loader_dict: dict[str, Any]
    hooks_dict: OrderedDict[str, Any]
    out_dict: dict[str, Any]
    log_dict: dict[str, Any]
    results_dict: dict[str, Any]
    _hooks: list[Any]

    def __init__(self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None, **kwargs: Any) -> None: ...
    @staticmethod
    def get_argument() -> Any: ...
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
    def train_step(self, *args: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]: ...
    def train(self) -> None: ...
    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> dict[str, Any]: ...
    def get_save_dict(self) -> dict[str, Any]: ...
    def save_model(self, save_name: str, save_path: str) -> None: ...
    def load_model(self, load_path: str) -> Any: ...

class ImbAlgorithmBase(AlgorithmBase): ...

def __getattr__(name: str) -> Any: ...
