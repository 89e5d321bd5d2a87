"""What an algorithm carries from step to step beside its weights: thresholds, distributions, banks, a second network.

An algorithm writes these as entries of its own into a checkpoint, and its hooks hold numbers: both are taken by what a
checkpoint has, so that nothing here knows an algorithm by name.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from usb_negsamp.host.checkpoints.file import write_checkpoint
from usb_negsamp.host.checkpoints.form import own_entries
from usb_negsamp.host.checkpoints.run_state import restore_hooks
from usb_negsamp.host.wrapping.peer import RUN_HOOKS
from usb_negsamp.host.wrapping.wrapper import Wrapper

_OF_A_TRAINING = ("optimizer", "scheduler", "it", "epoch", "best_it", "best_eval_acc")


def copied(entry: Any) -> Any:
    """An entry of a checkpoint that later steps do not change."""
    if isinstance(entry, Tensor):
        return entry.detach().clone()
    if isinstance(entry, Mapping):
        return type(entry)((name, copied(item)) for name, item in entry.items())  # type: ignore[call-arg]
    if type(entry) in (list, tuple):
        return type(entry)(copied(item) for item in entry)
    return entry.copy() if hasattr(entry, "copy") else entry


class CarryingWrapper(Wrapper):
    """A wrapper that can take what its algorithm carries from step to step, and carry on with it later or elsewhere."""

    def __init__(self, args: Any, *rest: Any, **kwargs: Any) -> None:
        super().__init__(args, *rest, **kwargs)
        # Without the launcher's, which come later.
        self.own_hooks = frozenset(self.hooks_dict) - RUN_HOOKS

    def saved_inside(self) -> dict[str, Any]:
        """The checkpoint of what is wrapped, as it is. No copy."""
        saved: dict[str, Any] = super().get_save_dict()
        return saved

    def carried(self, *, with_hooks: bool = False) -> dict[str, Any]:
        """The part of :meth:`saved_inside` that is neither weights nor optimizer. No copy."""
        saved = self.saved_inside()
        hooks = {name: state for name, state in hooks_in(saved).items() if name in self.own_hooks}
        more = {"run_state": {"hooks": hooks}} if with_hooks else {}
        return {**own_entries(saved), "loss_scaler": saved.get("loss_scaler"), **more}

    def carry_on_with(self, carried: Mapping[str, Any]) -> None:
        """Go on with what :meth:`carried` gave; weights and optimizer stay."""
        scaler = {"loss_scaler": carried["loss_scaler"]} if carried.get("loss_scaler") else {}
        # The host's algorithms read their own entries from a file.
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "carried.pth")
            write_checkpoint({**self.saved_inside(), **own_entries(carried), **scaler}, path)
            super().load_model(path)
        restore_hooks(self, {name: state for name, state in hooks_in(carried).items() if name in self.own_hooks})


def of_another_run(saved: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint of another run as one that the present run can go on with.

    Of its hooks the tensors are kept: their numbers are mostly settings, and those are the present run's. A second
    network has the optimizer and the position of the present one.
    """
    entries = {name: _at_present_training(entry, present.get(name)) for name, entry in own_entries(saved).items()}
    hooks = {
        hook: {name: value for name, value in attributes.items() if isinstance(value, Tensor)}
        for hook, attributes in hooks_in(saved).items()
    }
    return {**entries, "loss_scaler": saved.get("loss_scaler"), "run_state": {"hooks": hooks}}


def hooks_in(saved: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """What a checkpoint has of hooks, by their names; nothing in one of the host."""
    hooks: Mapping[str, Mapping[str, Any]] = saved.get("run_state", {}).get("hooks", {})
    return hooks


def _at_present_training(entry: Any, present: Any) -> Any:
    if not (isinstance(entry, Mapping) and isinstance(present, Mapping) and "optimizer" in entry):
        return entry
    return {**entry, **{name: present[name] for name in _OF_A_TRAINING if name in present}}
