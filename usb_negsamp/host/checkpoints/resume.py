"""Resuming a run from its checkpoint, and saving one between steps."""

from __future__ import annotations

import os
import pickle

from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.run_state import restore_run_state
from usb_negsamp.host.datasets.seeded_loading import skip_to


def resume(algorithm: HostAlgorithm, path: str | os.PathLike[str]) -> None:
    """Bring ``algorithm`` to the state saved at ``path``: the next step is the one that would have come.

    Raises:
        ConfigError: the file is no checkpoint, or one of another algorithm or network.
    """
    path = os.fspath(path)
    try:
        checkpoint = algorithm.load_model(path)
    except ConfigError:
        raise
    except (LookupError, RuntimeError, ValueError, OSError, EOFError, pickle.UnpicklingError) as error:
        # An algorithm that reads the file by itself has met one that is none: this says so.
        read_checkpoint(path)
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"cannot resume from {path}: expected a checkpoint of algorithm {algorithm.args.algorithm!r} with network "
            f"{algorithm.args.net!r}, but it does not fit ({type(error).__name__}: {reason})"
        ) from error
    # Some of the host's imbalanced algorithms load but return nothing; for them alone the file is read again.
    checkpoint = checkpoint if checkpoint is not None else read_checkpoint(path)
    algorithm.resume = True
    skip_to(algorithm, algorithm.it)
    if "run_state" in checkpoint:
        restore_run_state(algorithm, checkpoint["run_state"])
    else:
        algorithm.print_fn(f"{path} holds no random state (it is not ours): the run goes on, but not bit for bit")


def save_now(algorithm: HostAlgorithm, name: str = "latest_model.pth") -> str:
    """Save the run's state after the present step; returns the file's path."""
    run_dir = os.path.join(algorithm.save_dir, algorithm.save_name)
    algorithm.save_model(name, run_dir)
    return os.path.join(run_dir, name)
