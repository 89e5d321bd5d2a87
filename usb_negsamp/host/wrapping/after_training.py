"""What a stage after the host's training needs of it: trained weights, more training steps, and batch statistics."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from semilearn.core.utils import misc
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint, unwrapped_state
from usb_negsamp.host.checkpoints.fit import averaged_state, other_tensors
from usb_negsamp.host.datasets.seeded_loading import skip_to
from usb_negsamp.host.wrapping.among_processes import network_of
from usb_negsamp.host.wrapping.wrapper import Wrapper

CHECKPOINTS = {"best": "model_best.pth", "last": "latest_model.pth"}


def wrap_anew(algorithm: HostAlgorithm) -> None:
    """Renew the parallel wrapper around ``algorithm.model``, if there is one; every process must call it.

    Parametrizing a weight, or ending that, sets the parameter's storage: its gradient then no longer meets the hook
    by which an older wrapper sums it over the processes, and the processes drift apart without a word.
    """
    if isinstance(algorithm.model, DistributedDataParallel):
        network = algorithm.model.module
        algorithm.model = misc.send_model_cuda(algorithm.args, network, clip_batch=False)


def trained_state(algorithm: HostAlgorithm, which: str) -> dict[str, Tensor]:
    """Averaged weights and buffers at the end of the training, or where they were ``best`` on validation; copies."""
    if which == "best":
        path = os.path.join(algorithm.save_dir, algorithm.save_name, CHECKPOINTS["best"])
        state = averaged_state(read_checkpoint(path), network_of(algorithm.model), path)
    else:
        state = unwrapped_state(algorithm.ema_model.state_dict(), network_of(algorithm.model))
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def state_of_run(path: str, which: str, network: nn.Module, key: str) -> dict[str, Tensor]:
    """Averaged weights (the live ones where there are no averaged) of another run, as ``network`` names them.

    Args:
        path: a run's folder, or a checkpoint of ours or of the host.
        which: ``best`` or ``last``, the checkpoint of a folder to take.
        network: what they must fit.
        key: the configuration key, for the message.

    Raises:
        ConfigError: no checkpoint is there, or it is one of another network.
    """
    file = os.path.join(path, CHECKPOINTS[which]) if os.path.isdir(path) else path
    if not os.path.isfile(file):
        raise ConfigError(f"{key}: expected the folder or the checkpoint of a run, but {file} is not there")
    checkpoint = read_checkpoint(file)
    state = checkpoint.get("ema_model") or checkpoint["model"]
    wrong = other_tensors(state, network)
    if wrong:
        raise ConfigError(
            f"{key}: expected a checkpoint of the run's own network ({type(network).__name__}), but the one in {file} "
            f"differs in {len(wrong)} tensors, first {wrong[0]}"
        )
    return unwrapped_state(state, network)


@contextmanager
def after_the_last_iteration(algorithm: Wrapper) -> Iterator[None]:
    """Inside the block steps count as past the end: ramps at their final value, nothing periodic falls due.

    Whoever takes them counts them in ``steps_after_training``, so that no two draw the same.
    """
    kept = {name: getattr(algorithm, name) for name in ("it", "num_eval_iter", "num_log_iter")}
    algorithm.it = algorithm.num_train_iter
    # The host's ``every_n_iters`` is never true for 0.
    algorithm.num_eval_iter = algorithm.num_log_iter = 0
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(algorithm, name, value)
        algorithm.steps_after_training = 0


def training_batches(algorithm: HostAlgorithm, first: int) -> Iterator[dict[str, Any]]:
    """The labeled and unlabeled batches that would come after the training, from number ``first`` on, without end."""
    iteration = algorithm.num_train_iter + first
    while True:
        skip_to(algorithm, iteration)
        for labeled, unlabeled in zip(
            algorithm.loader_dict["train_lb"], algorithm.loader_dict["train_ulb"], strict=False
        ):
            yield {**labeled, **unlabeled, **_rotated_images(algorithm)}
            iteration += 1


def _rotated_images(algorithm: HostAlgorithm) -> dict[str, Tensor]:
    """The next images in four directions, which CRMatch adds to a batch in a loop of its own; nothing for any other."""
    rotated = algorithm.loader_dict.get("train_ulb_rot_iter")
    if rotated is None:
        return {}
    *images, directions = next(rotated)
    return {"x_ulb_rot": torch.cat(images), "rot_v": directions.transpose(1, 0).reshape(-1)}


def training_step(algorithm: HostAlgorithm, batch: dict[str, Any]) -> None:
    """One step of the algorithm's own: its loss, the losses of hooks, the update, the moving average."""
    algorithm.call_hook("before_train_step")
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**batch))
    algorithm.call_hook("after_train_step")


def step_without_update(algorithm: HostAlgorithm, batch: dict[str, Any]) -> None:
    """The passes of one step of the algorithm's own, and what they leave in batch norms, hooks and banks."""
    algorithm.call_hook("before_train_step")
    algorithm.train_step(**algorithm.process_batch(**batch))
    for hook in algorithm.hooks_dict.values():
        if getattr(hook, "listens_to_passes", False):
            hook.after_train_step(algorithm)


def make_carried_state(algorithm: HostAlgorithm) -> None:
    """Let an algorithm that has not trained make what it carries from step to step (distributions, thresholds, banks).

    Some of the host's cannot even be saved before it is there. It is what the first step would leave, taken at
    iteration 0 without its update; weights and batch statistics are as before.
    """
    network = network_of(algorithm.model)
    kept = {name: buffer.clone() for name, buffer in network.named_buffers()}
    done, algorithm.it = algorithm.it, 0
    model = algorithm.model
    try:
        with model.no_sync() if isinstance(model, DistributedDataParallel) else nullcontext():
            step_without_update(algorithm, next(training_batches(algorithm, 0)))
    finally:
        algorithm.it = done
        algorithm.model.zero_grad()
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                buffer.copy_(kept[name])


def update_weights(algorithm: HostAlgorithm, loss: Tensor) -> None:
    """The host's update by another ``loss``: scaling, clipping, the optimizer, the moving average."""
    algorithm.out_dict, algorithm.log_dict = {"loss": loss}, {}
    for hook in ("ParamUpdateHook", "EMAHook"):
        algorithm.call_hook("after_train_step", hook)


def new_optimizer(algorithm: HostAlgorithm, lr: float) -> torch.optim.Optimizer:
    """An optimizer of the algorithm's own kind and groups for ``algorithm.model``, at the constant rate ``lr``."""
    kept, algorithm.args.lr = algorithm.args.lr, lr
    try:
        optimizer, _ = algorithm.set_optimizer()
    finally:
        algorithm.args.lr = kept
    for group in optimizer.param_groups:
        # The schedule made with it has set the rate of its first iteration, which under a warm-up is 0.
        group["lr"] = group.get("initial_lr", group["lr"])
    return optimizer


def renew_optimizers(algorithm: HostAlgorithm, lr: float) -> torch.optim.Optimizer:
    """Let ``algorithm``, and its second network if there is one, go on at the constant rate ``lr``; the first's."""
    for network in (algorithm, getattr(algorithm, "peer", None)):
        if network is not None:
            network.optimizer, network.scheduler = new_optimizer(network, lr), None
    return algorithm.optimizer


def follow_anew(algorithm: HostAlgorithm) -> None:
    """Let the average of ``algorithm`` start at the weights as they are, under the names that they have now."""
    algorithm.ema = misc.EMA(algorithm.model, algorithm.ema_m)
    algorithm.ema.register()
