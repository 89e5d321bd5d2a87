"""What a run goes on from: its own checkpoint, or the run that SPL's stage starts at. Both are checked first."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.errors import ConfigError
from usb_negsamp.host.algorithm import HostAlgorithm
from usb_negsamp.host.checkpoints.file import read_checkpoint
from usb_negsamp.host.checkpoints.resume import resume
from usb_negsamp.host.datasets.built_data import BuiltData
from usb_negsamp.key import Affects
from usb_negsamp.run.records.directory import BEST, MANIFEST
from usb_negsamp.run.records.manifest import difference, read_manifest
from usb_negsamp.run.records.split_file import check_held_out, check_same_split
from usb_negsamp.run.training.summary import what_is_done


def go_on_from(
    checkpoint: Path, algorithm: HostAlgorithm, directory: Path, config: Mapping[str, Any], data: BuiltData
) -> None:
    """Load ``checkpoint`` into ``algorithm``. Nothing is written, so that a wrong one changes nothing.

    Args:
        checkpoint: of the run in ``directory``, or of another.
        algorithm: as built.
        directory: the run's folder.
        config: the configuration of now.
        data: the data of now.

    Raises:
        ConfigError: the run had another configuration, split, algorithm or network, or it has no iterations left.
    """
    manifest = read_manifest(directory / MANIFEST)
    if checkpoint.parent.resolve() == directory.resolve():
        check_same_configuration(directory, config)
    check_same_split(checkpoint, data.split_digest)
    resume(algorithm, checkpoint)
    if algorithm.it > algorithm.num_train_iter:
        raise ConfigError(
            f"num_train_iter: expected at least the {algorithm.it} iterations of {checkpoint}, "
            f"but got {algorithm.num_train_iter}"
        )
    if not _has_best(checkpoint, directory, algorithm):
        if algorithm.it >= algorithm.num_train_iter:
            raise ConfigError(
                f"expected the best model of the training beside {checkpoint}, whose iterations are done, but there is "
                f"no {BEST} of iteration {algorithm.best_it}"
            )
        # The next evaluation finds one.
        algorithm.hooks_dict["EvaluationHook"].has_best = False
    if manifest.get("exit_reason") == "finished" and algorithm.it >= algorithm.num_train_iter:
        raise ConfigError(
            f"nothing to resume: the run in {directory} has finished: {what_is_done(config, algorithm.num_train_iter)}"
        )


def bring_best_model(checkpoint: Path, directory: Path, algorithm: HostAlgorithm) -> None:
    """Copy the best model so far, which the end of a run evaluates, from beside a checkpoint of another folder."""
    source = checkpoint.parent / BEST
    if not (directory / BEST).is_file() and _is_best_of(source, algorithm):
        write_atomically(directory / BEST, source.read_bytes())


def _has_best(checkpoint: Path, directory: Path, algorithm: HostAlgorithm) -> bool:
    # A kill may have left a newer one in the run's own folder, which the run makes again.
    return (directory / BEST).is_file() or _is_best_of(checkpoint.parent / BEST, algorithm)


def _is_best_of(path: Path, algorithm: HostAlgorithm) -> bool:
    """Whether the file at ``path`` is the best model that the state of ``algorithm`` tells of."""
    if not path.is_file():
        return False
    saved = read_checkpoint(path)
    return (saved.get("best_it"), saved.get("best_eval_acc")) == (algorithm.best_it, algorithm.best_eval_acc)


def check_same_configuration(directory: Path, config: Mapping[str, Any]) -> None:
    """Refuse to go on with the run in ``directory`` as another one.

    Raises:
        ConfigError: a key has another value that affects the result.
    """
    there = read_manifest(directory / MANIFEST).get("config") or {}
    affecting: tuple[Affects, ...] = ("result",)
    other = difference(there, config, affecting)
    if other is not None:
        raise ConfigError(
            f"--resume goes on with the same configuration, but the run in {directory} has {other}; "
            "give that, or another --save_name with --load_path"
        )


def check_source(args: Namespace, data: BuiltData) -> None:
    """Refuse to learn SPL's mask on images whose labels the run that it starts from (``spl_from``) has trained on.

    Raises:
        ConfigError: some of the held-out images are such.
    """
    source = getattr(args, "spl_from", None)
    if source is not None:
        check_held_out(Path(source), data)
