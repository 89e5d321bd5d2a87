"""Checkpoints that resume where they stopped, or fail loudly (0.4, V11, V12, V13, B4).

What is wrong: ``core/algorithmbase.py`` stores ``epoch + 1`` also in mid-epoch, so that a resumed run skips the rest
of the epoch (with one epoch: trains nothing and ends normally); it writes over the old checkpoint in place; it loads
with ``weights_only``, which one numpy scalar breaks; a checkpoint of a ``DataParallel`` run has other names. A run
killed while writing loses both checkpoints. How it is mended: the first epoch to run is computed from the iteration;
files are written beside and renamed; numpy scalars are stored as Python's and allowed when read; leading ``module.``
is matched to the live model; an empty loss-scaler state (written on the CPU) leaves the live scaler as it is;
everything that decides the rest of the run is stored too (:mod:`usb_negsamp.host.checkpoints.run_state`), and what the
network is used with (:mod:`usb_negsamp.host.evaluation.use`). When it may go: when ``load_model`` derives the epoch
from ``it``.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from semilearn.core import AlgorithmBase
from semilearn.core import hooks as host_hooks

from usb_negsamp.host.checkpoints.file import read_checkpoint, unwrapped_state, write_checkpoint
from usb_negsamp.host.checkpoints.fit import check_fit
from usb_negsamp.host.checkpoints.hook import CheckpointHook
from usb_negsamp.host.checkpoints.run_state import run_state
from usb_negsamp.host.evaluation.use import entries_of_use
from usb_negsamp.host.patching import replace, replace_everywhere


def save_model(self: Any, save_name: str, save_path: str) -> None:
    """Save the run's state as ``save_path/save_name``, and what its network is used with."""
    filename = os.path.join(save_path, save_name)
    threshold = getattr(self.hooks_dict.get("EvaluationHook"), "kept_threshold", None)
    write_checkpoint({**self.get_save_dict(), **entries_of_use(self, threshold)}, filename)
    self.print_fn(f"model saved: {filename}")


def load_model(self: Any, load_path: str) -> dict[str, Any]:
    """Load what the base class saves; returns the checkpoint, from which the algorithm takes its own entries.

    Raises:
        ConfigError: it is no checkpoint, or it does not fit; nothing is loaded then.
    """
    checkpoint = read_checkpoint(load_path)
    check_fit(checkpoint, self, load_path)
    self.model.load_state_dict(unwrapped_state(checkpoint["model"], self.model))
    self.ema_model.load_state_dict(unwrapped_state(checkpoint["ema_model"], self.ema_model))
    if checkpoint.get("loss_scaler"):
        self.loss_scaler.load_state_dict(checkpoint["loss_scaler"])
    self.it = checkpoint["it"]
    self.start_epoch = self.it // self.num_iter_per_epoch
    self.epoch = self.start_epoch
    self.best_it = checkpoint["best_it"]
    self.best_eval_acc = checkpoint["best_eval_acc"]
    self.optimizer.load_state_dict(checkpoint["optimizer"])
    if self.scheduler is not None:
        self.scheduler.load_state_dict(checkpoint["scheduler"])
    if "aim_run_hash" in checkpoint:
        self.aim_run_hash = checkpoint["aim_run_hash"]
    return checkpoint


def apply() -> None:
    """Replace saving and loading of ``AlgorithmBase``."""
    original = AlgorithmBase.get_save_dict

    @functools.wraps(original)
    def get_save_dict(self: Any) -> dict[str, Any]:
        save_dict = original(self)
        save_dict["it"] = min(save_dict["it"], self.num_train_iter)
        save_dict["run_state"] = run_state(self)
        return save_dict

    replace(AlgorithmBase, "get_save_dict", get_save_dict)
    replace(AlgorithmBase, "save_model", save_model)
    replace(AlgorithmBase, "load_model", load_model)
    replace_everywhere(host_hooks.CheckpointHook, CheckpointHook)
