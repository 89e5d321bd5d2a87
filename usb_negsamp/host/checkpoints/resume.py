"""Resuming a run from its checkpoint, and saving one between steps."""

from __future__ import annotations

import os
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.fit import does_not_fit, unlike_own_entries
from usb_negsamp.host.checkpoints.run_state import restore_run_state
from usb_negsamp.host.datasets.seeded_loading import skip_to


def resume(algorithm: HostAlgorithm, path: str | os.PathLike[str]) -> None:
    """Bring ``algorithm`` to the state saved at ``path``: the next step is the one that would have come.

    Raises:
        ConfigError: the file is no checkpoint, or one of another algorithm or network.
    """
    path = os.fspath(path)
    present = saved_before_training(algorithm)
    try:
        checkpoint = algorithm.load_model(path)
    except ConfigError:
        raise
    except Exception as error:
        # The host's algorithms take their own entries as they come: what one that does not fit raises may be anything.
        # One that reads the file by itself may have met one that is none: this says so.
        read_checkpoint(path)
        reason = " ".join(str(error).split())[:200]
        raise does_not_fit(algorithm, path, f"it does not fit ({type(error).__name__}: {reason})") from error
    # Some of the host's imbalanced algorithms load but return nothing; for them alone the file is read again.
    checkpoint = checkpoint if checkpoint is not None else read_checkpoint(path)
    other = unlike_own_entries(present, checkpoint)
    if other:
        raise does_not_fit(algorithm, path, other)
    algorithm.resume = True
    skip_to(algorithm, algorithm.it)
    if "run_state" in checkpoint:
        restore_run_state(algorithm, checkpoint["run_state"])
    else:
        algorithm.print_fn(f"{path} holds no random state (it is not ours): the run goes on, but not bit for bit")


def saved_before_training(algorithm: HostAlgorithm) -> dict[str, Any]:
    """The checkpoint of an algorithm as it is built; nothing for those of the host's that need a step for one."""
    algorithm.epoch = algorithm.start_epoch
    try:
        saved: dict[str, Any] = algorithm.get_save_dict()
    except AttributeError:
        # The host's distribution alignment has no distribution yet.
        return {}
    return saved


def save_now(algorithm: HostAlgorithm, name: str = "latest_model.pth") -> str:
    """Save the run's state after the present step; returns the file's path."""
    run_dir = os.path.join(algorithm.save_dir, algorithm.save_name)
    algorithm.save_model(name, run_dir)
    return os.path.join(run_dir, name)
