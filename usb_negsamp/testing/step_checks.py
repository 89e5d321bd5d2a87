"""Checks of what goes into a training step and what comes out of it."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from usb_negsamp.errors import ConfigError, did_you_mean
from usb_negsamp.testing.report import Broken
from usb_negsamp.testing.subject import Subject, described, stages

if TYPE_CHECKING:
    from usb_negsamp.host.algorithm import HostAlgorithm

LOG_PREFIXES = ("train/", "eval/", "test/")
LOG_NAMES = ("lr",)
EMPTY = inspect.Parameter.empty


class _OneStep(Exception):
    """Ends a run once its first step was looked at."""


def check_batch_keys(subject: Subject) -> None:
    """Every parameter of ``train_step`` is a key that the data loaders deliver, or has a default."""
    try:
        algorithm = subject.build("batch_keys")
    except ConfigError:
        raise
    except Exception as error:
        raise Broken(f"expected {subject.name} to be built, but {described(error)}") from error
    batch: dict[str, Any] = {}
    for loader in ("train_lb", "train_ulb"):
        batch |= next(iter(algorithm.loader_dict[loader]))
    delivered = sorted(key for key, value in batch.items() if value is not None)
    step = type(algorithm).train_step
    wanted = {
        name: f"parameter of {step.__qualname__}"
        for name, parameter in inspect.signature(algorithm.train_step).parameters.items()
        if parameter.default is EMPTY and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    wanted |= dict.fromkeys(getattr(algorithm, "unlabeled_views", ()), "view needed by a wrapper")
    # An algorithm may add keys in a process_batch of its own.
    given = {*delivered, *algorithm.process_batch(**batch)}
    for name, role in wanted.items():
        if name not in given:
            raise Broken(
                f"expected every {role} to be a key of the batch ({', '.join(delivered)}) or to have a default, "
                f"but got {name!r}{did_you_mean(name, delivered)}"
            )


def check_output(subject: Subject) -> None:
    """A step returns a dictionary with a scalar, finite loss whose gradient reaches the model, and one to be logged."""
    algorithm = subject.build("output")
    step = algorithm.train_step
    needs_features = getattr(algorithm.args, "imb_algorithm", None) is not None

    @functools.wraps(step)
    def looked_at(*args: Any, **batch: Any) -> Any:
        result = step(*args, **batch)
        check_result(result, type(algorithm).train_step.__qualname__, batch, needs_features)
        return result

    algorithm.train_step = looked_at
    _look_before_update(algorithm)
    try:
        stages(algorithm)
    except _OneStep:
        return
    except (Broken, ConfigError):
        raise
    except Exception as error:
        raise Broken(f"expected one step of {subject.name}, but {described(error)}") from error
    raise Broken(f"expected the run of {subject.name} to take a step and to update the weights, but it took none")


def _look_before_update(algorithm: Any) -> None:
    """Look at the loss that the weights are updated with, what other hooks added included, and end the run."""
    from usb_negsamp.host import Hook
    from usb_negsamp.host.wrapping.hook_order import insert_hook

    class LossObserver(Hook):
        settings_only = True

        def after_train_step(self, algorithm: HostAlgorithm) -> None:
            check_loss(algorithm.out_dict, "the hooks that run before the update of the weights")
            check_gradient(algorithm.out_dict["loss"], algorithm.model)
            raise _OneStep

    insert_hook(algorithm, LossObserver(), "ConformanceLossObserver", before="ParamUpdateHook")


def check_result(result: Any, where: str, batch: Mapping[str, Any], needs_features: bool) -> None:
    """Check what one call of ``train_step`` returned."""
    if not (isinstance(result, tuple) and len(result) == 2 and all(isinstance(part, dict) for part in result)):
        kind = type(result).__name__ if not isinstance(result, tuple) else tuple(type(part).__name__ for part in result)
        raise Broken(f"expected {where} to return (out_dict, log_dict), two dictionaries, but got {kind}")
    out_dict = result[0]
    check_loss(out_dict, where)
    features = out_dict.get("feat")
    if features is None and needs_features:
        raise Broken(f"expected out_dict['feat'] from {where}, which the imbalanced algorithm reads, but got none")
    if features is None:
        return
    if not isinstance(features, dict):
        raise Broken(
            f"expected out_dict['feat'] from {where} to be a dictionary from batch keys to features, "
            f"but got {type(features).__name__}"
        )
    for key, value in features.items():
        view = batch.get(key)
        if isinstance(view, Tensor) and isinstance(value, Tensor) and len(value) != len(view):
            raise Broken(
                f"expected out_dict['feat'][{key!r}] from {where} to have the {len(view)} rows of the batch's {key}, "
                f"but got {len(value)}"
            )


def check_loss(out_dict: Mapping[str, Any], where: str) -> None:
    """Check that there is a scalar, finite loss with a gradient."""
    loss = out_dict.get("loss")
    if not isinstance(loss, Tensor):
        raise Broken(
            f"expected out_dict['loss'] from {where} to be a tensor, but got {type(loss).__name__}"
            if "loss" in out_dict
            else f"expected out_dict from {where} to have the key 'loss', but got {sorted(out_dict)}"
            f"{did_you_mean('loss', out_dict)}"
        )
    if loss.dim() != 0:
        raise Broken(f"expected out_dict['loss'] from {where} to be a scalar, but got shape {tuple(loss.shape)}")
    if not torch.isfinite(loss):
        raise Broken(f"expected out_dict['loss'] from {where} to be finite, but got {loss.item()}")
    if not loss.requires_grad:
        raise Broken(
            f"expected out_dict['loss'] from {where} to have a gradient, but it has none: "
            "look for detach(), item() or no_grad() around the whole loss"
        )


def check_gradient(loss: Tensor, model: torch.nn.Module) -> None:
    """Check that the gradient of ``loss`` reaches parameters of ``model``, and is finite."""
    named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    gradients = torch.autograd.grad(loss, list(named.values()), retain_graph=True, allow_unused=True)
    reached = {name: gradient for name, gradient in zip(named, gradients, strict=True) if gradient is not None}
    if not any(bool((gradient != 0).any()) for gradient in reached.values()):
        raise Broken(
            f"expected the gradient of out_dict['loss'] to reach algorithm.model, but it is zero or absent at all "
            f"{len(named)} parameters: look at which model the logits come from, and at detach()"
        )
    for name, gradient in reached.items():
        if not bool(torch.isfinite(gradient).all()):
            raise Broken(f"expected a finite gradient of out_dict['loss'], but that of {name} is not")


def check_log_tags(subject: Subject) -> None:
    """Every logged tag is one the host's log takes, and a finite scalar; those expected are there."""
    logs = subject.logs
    allowed = ", ".join((*LOG_PREFIXES, *LOG_NAMES))
    for iteration, log in enumerate(logs):
        for tag, value in log.items():
            if not (isinstance(tag, str) and (tag.startswith(LOG_PREFIXES) or tag in LOG_NAMES)):
                raise Broken(f"expected tags in log_dict to begin with one of {allowed}, but got {tag!r}")
            try:
                number = float(value)
            except (TypeError, ValueError, RuntimeError):
                shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
                raise Broken(
                    f"expected log_dict[{tag!r}] to be a scalar, but got {type(value).__name__}{shape}"
                ) from None
            if not math.isfinite(number):
                raise Broken(f"expected log_dict[{tag!r}] to be finite, but got {number} at iteration {iteration}")
    seen = {tag for log in logs for tag in log}
    for tag in subject.expected_tags:
        if tag not in seen:
            raise Broken(f"expected {tag!r} among the logged tags, but it never came{did_you_mean(tag, seen)}")
