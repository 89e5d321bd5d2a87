"""Whether a checkpoint is one that an algorithm can go on from. Looks at both, and changes neither."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import unwrapped_state
from usb_negsamp.host.checkpoints.form import are_named, holds_training, is_number, is_state, kind_of, own_entries
from usb_negsamp.tensor_file import is_plain

_OF_A_TRAINING = ("model", "ema_model", "optimizer", "it", "best_it", "best_eval_acc")


def check_fit(saved: Mapping[str, Any], algorithm: HostAlgorithm, path: str | os.PathLike[str]) -> None:
    """Compare networks, optimizer, schedule and hooks, of both networks where there are two.

    Args:
        saved: of the form that :func:`usb_negsamp.host.checkpoints.form.check_form` asks for.
        algorithm: as built.
        path: of the file.

    Raises:
        ConfigError: the first thing that does not fit.
    """
    reason = misfit(saved, algorithm)
    if reason:
        raise does_not_fit(algorithm, path, reason)


def does_not_fit(algorithm: HostAlgorithm, path: str | os.PathLike[str], reason: str) -> ConfigError:
    """The error for a checkpoint that an algorithm cannot go on from."""
    return ConfigError(
        f"cannot resume from {os.fspath(path)}: expected a checkpoint of algorithm {algorithm.args.algorithm!r} with "
        f"network {algorithm.args.net!r}, but {reason}"
    )


def misfit(saved: Mapping[str, Any], algorithm: HostAlgorithm, *, with_schedule: bool = True) -> str:
    """What keeps ``algorithm`` from going on from ``saved``, in words; empty if nothing does.

    A stage after the training has a constant rate, and asks for no schedule.
    """
    for name in _OF_A_TRAINING:
        if name not in saved:
            return f"it has no {name}"
    for name, model in (("model", algorithm.model), ("ema_model", algorithm.ema_model)):
        wrong = other_tensors(saved[name], model)
        if wrong:
            return f"its {name} differs in {len(wrong)} tensors, first {wrong[0]}"
    reason = misfit_of_optimizer(saved["optimizer"], algorithm.optimizer)
    if not reason and with_schedule and algorithm.scheduler is not None:
        reason = _misfit_of_schedule(saved.get("scheduler"), algorithm.scheduler.state_dict())
    reason = reason or _misfit_of_hooks(saved.get("run_state", {}).get("hooks", {}), algorithm)
    peer = getattr(algorithm, "peer", None)
    if reason or peer is None:
        return reason
    if not holds_training(saved.get("peer")):
        return "it has no peer, the second network with its optimizer"
    reason = misfit(saved["peer"], peer)
    return reason and f"of its peer, {reason}"


def other_tensors(saved: Mapping[str, Any], model: nn.Module) -> list[str]:
    """What keeps the tensors ``saved`` from being those of ``model``, one text a tensor.

    >>> other_tensors({"weight": torch.zeros(2, 3), "scale": torch.zeros(())}, nn.Linear(2, 2))
    ['bias is missing', 'weight is (2, 3) there and (2, 2) here', 'scale is not expected']
    """
    expected = model.state_dict()
    saved = unwrapped_state(saved, model)
    shared = [name for name in expected if name in saved]
    return [
        *(f"{name} is missing" for name in expected if name not in saved),
        *(text for name in shared if (text := _unlike_tensor(name, saved[name], expected[name]))),
        *(f"{name} is not expected" for name in saved if name not in expected),
    ]


def averaged_state(saved: Any, model: nn.Module, path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The averaged weights of a checkpoint, or of the part of one that is a second network's, as ``model`` names them.

    Raises:
        ConfigError: it has none, or they are those of another network.
    """
    state = saved.get("ema_model") if isinstance(saved, Mapping) else None
    own = f"expected the weights of the run's own network ({type(model).__name__}) at {os.fspath(path)}"
    if not are_named(state, is_plain):
        raise ConfigError(f"{own}, but it has no ema_model")
    wrong = other_tensors(state, model)
    if wrong:
        raise ConfigError(f"{own}, but they differ in {len(wrong)} tensors, first {wrong[0]}")
    return unwrapped_state(state, model)


def unlike(entries: Mapping[str, Any], saved: Mapping[str, Any], optional: Iterable[str] = ()) -> str:
    """What keeps ``saved`` from having all ``entries``, each of the same kind and shape; empty if nothing does.

    Args:
        entries: those of now; one that is None or empty now may have become a number, a tensor or a list.
        saved: those of a checkpoint; more than ``entries`` may be in it.
        optional: names that need not be there.

    >>> unlike({"bank": torch.zeros(3), "size": 3}, {"bank": torch.zeros(2), "size": 2})
    'bank is (2,) there and (3,) here'
    >>> unlike({"bank": torch.zeros(3)}, {})
    'it has no bank'
    >>> unlike({"size": 3}, {"size": "three"})
    "size is 'three' there and 3 here"
    """
    optional = set(optional)
    for name, entry in entries.items():
        if name not in saved:
            if name in optional:
                continue
            return f"it has no {name}"
        reason = _unlike_value(name, entry, saved[name])
        if reason:
            return reason
    return ""


def unlike_own_entries(present: Mapping[str, Any], saved: Mapping[str, Any]) -> str:
    """What keeps ``saved`` from having all that the algorithm of ``present`` writes of its own, of both networks.

    Of hooks, whose numbers may be settings, the tensors that both have are compared.
    """
    for name, entry in own_entries(present).items():
        there = saved.get(name)
        if holds_training(entry) and holds_training(there):
            networks = {part: entry[part] for part in ("model", "ema_model")}
            reason = unlike(networks, there) or unlike_own_entries(entry, there)
        else:
            reason = unlike({name: entry}, saved)
        if reason:
            return reason
    here, there = (state.get("run_state", {}).get("hooks", {}) for state in (present, saved))
    for name in set(here) & set(there):
        tensors = {key: value for key, value in here[name].items() if isinstance(value, Tensor) and key in there[name]}
        reason = unlike(tensors, there[name])
        if reason:
            return f"of its hook {name}, {reason}"
    return ""


def _unlike_value(name: str, entry: Any, there: Any) -> str:
    if isinstance(entry, (Tensor, np.ndarray)):
        return _unlike_tensor(name, there, torch.as_tensor(entry))
    if entry is None:
        becomes = there is None or is_plain(there) or isinstance(there, bool) or is_number(there)
        return "" if becomes else f"{name} is {kind_of(there)} there and nothing here"
    if isinstance(entry, Mapping) and isinstance(there, Mapping):
        reason = unlike(entry, there)
        return reason and f"of {name}, {reason}"
    if isinstance(entry, (list, tuple)) and isinstance(there, (list, tuple)):
        if not entry:
            return ""
        if len(entry) != len(there):
            return f"{name} has {len(there)} entries there and {len(entry)} here"
        pairs = zip(entry, there, strict=True)
        return next((text for now, then in pairs if (text := _unlike_value(name, now, then))), "")
    kinds = (bool, (int, float, np.generic), str)
    kind = next((kind for kind in kinds if isinstance(entry, kind)), None)
    alike = kind is not None and isinstance(there, kind) and isinstance(there, bool) == isinstance(entry, bool)
    return "" if alike else f"{name} is {kind_of(there)} there and {kind_of(entry)} here"


def _unlike_tensor(name: str, there: Any, here: Tensor) -> str:
    if not is_plain(there):
        return f"{name} is {kind_of(there)} there and a tensor here"
    if there.shape != here.shape:
        return f"{name} is {tuple(there.shape)} there and {tuple(here.shape)} here"
    if there.is_floating_point() != here.is_floating_point():
        return f"{name} is of {there.dtype} there and of {here.dtype} here"
    return ""


def misfit_of_optimizer(saved: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> str:
    """What keeps ``optimizer`` from going on with the state ``saved`` of one, in words; empty if nothing does."""
    groups, here = saved["param_groups"], optimizer.param_groups
    if [len(group["params"]) for group in groups] != [len(group["params"]) for group in here]:
        return "its optimizer has other groups of parameters"
    for group, now in zip(groups, here, strict=True):
        # PyTorch fills in the switches that it has had since, all of them off: False or None.
        options = {name: None if value is False else value for name, value in now.items() if name != "params"}
        off = [name for name, value in options.items() if value is None]
        reason = unlike(options, group, optional=off)
        if reason:
            return f"of its optimizer, {reason}"
    numbers = [number for group in groups for number in group["params"]]
    parameters = dict(zip(numbers, (parameter for group in here for parameter in group["params"]), strict=True))
    names = {name for entry in saved["state"].values() for name in entry}
    for number, entry in saved["state"].items():
        if number not in parameters:
            return f"its optimizer has a state of parameter {number}, which it does not update"
        if entry and names - set(entry):
            return f"its optimizer has no {min(names - set(entry))} of parameter {number}"
        for name, value in entry.items():
            if not _stands_beside(value, parameters[number]):
                shape = tuple(parameters[number].shape)
                return f"its optimizer's {name} is {kind_of(value)}, where parameter {number} is {shape}"
    return ""


def _stands_beside(value: Any, parameter: Tensor) -> bool:
    """Whether an optimizer may keep ``value`` of a parameter: as many numbers, or a single one."""
    if isinstance(value, Tensor):
        return is_plain(value) and value.is_floating_point() and value.shape in (parameter.shape, torch.Size([]))
    return value is None or is_number(value)


def _misfit_of_schedule(saved: Any, present: Mapping[str, Any]) -> str:
    if not isinstance(saved, Mapping):
        return "it has no scheduler"
    # Versions of PyTorch differ in names that are not public.
    private = [name for name in present if name.startswith("_")]
    reason = unlike(present, saved, optional=private)
    return reason and f"of its scheduler, {reason}"


def _misfit_of_hooks(saved: Mapping[str, Mapping[str, Any]], algorithm: HostAlgorithm) -> str:
    for name, hook in algorithm.hooks_dict.items():
        if name not in saved:
            continue
        state = {key: value for key, value in vars(hook).items() if key not in ("name", "priority") and is_state(value)}
        came = {key: getattr(hook, key, None) for key in saved[name]}
        reason = unlike({**state, **came}, saved[name])
        if reason:
            return f"of its hook {name}, {reason}"
    return ""
