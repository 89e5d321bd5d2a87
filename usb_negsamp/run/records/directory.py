"""The folder of a run, save_dir/save_name: what may be there before, and what may be removed.

A run directory is never deleted. Only the files named here, which runs write, are removed, and only by --overwrite.
"""

from __future__ import annotations

import errno
import fcntl
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.place import check_files, check_folder

LATEST = "latest_model.pth"
BEST = "model_best.pth"
SPL_MODEL = "model_spl.pth"
MANIFEST = "manifest.json"
RESULTS = "results.csv"
SPLIT = "split.npz"
METRICS = "metrics.jsonl"
CURVE = "curve.png"
NEGATIVES = "negatives.png"
TSNE = "tsne.png"
LOG = "log.txt"
TENSORBOARD = "tensorboard"

RUN_FILES = (
    LATEST,
    BEST,
    MANIFEST,
    RESULTS,
    SPLIT,
    METRICS,
    CURVE,
    NEGATIVES,
    TSNE,
    SPL_MODEL,
    "spl_kept_ratio.png",
    LOG,
    f"{TENSORBOARD}/events.out.tfevents.*",
    "split/*.npy",
    "split/*.npz",
    "split/*.json",
)


def run_directory(args: Namespace) -> Path:
    """Return save_dir/save_name."""
    return Path(args.save_dir) / args.save_name


def run_files(directory: Path) -> list[Path]:
    """Return the files in ``directory`` that runs write."""
    return sorted(path for pattern in RUN_FILES for path in directory.glob(pattern) if path.is_file())


def check_directory(args: Namespace) -> Path | None:
    """Return the checkpoint to resume from, if any, and touch nothing.

    Raises:
        ConfigError: the directory holds a run and neither --resume nor --overwrite was given, there is nothing to
            resume, the directory cannot be made, or something else lies where a file of the run comes to be.
    """
    directory = run_directory(args)
    named = Path(args.save_name)
    if not named.name.strip() or ".." in named.parts or "\0" in args.save_name:
        raise ConfigError(f"save_name: expected the name of a folder, but got {args.save_name!r}")
    if named.is_absolute():
        raise ConfigError(f"save_name: expected the name of a folder in save_dir, but got {args.save_name!r}")
    check_folder(directory, "run")
    check_files(directory, (LOCK, *(name for name in RUN_FILES if "*" not in name)), (TENSORBOARD, "split"))
    if args.resume and args.overwrite:
        raise ConfigError("--resume goes on with a run and --overwrite starts it anew: give one of them")
    if args.load_path and not args.resume:
        raise ConfigError("--load_path is read only together with --resume")
    if args.resume:
        checkpoint = _checkpoint(args, directory)
        if run_files(directory) and checkpoint.parent.resolve() != directory.resolve():
            raise ConfigError(
                f"{directory} already holds a run, which going on from {checkpoint} would replace: give another "
                "--save_name"
            )
        return checkpoint
    if run_files(directory) and not args.overwrite:
        raise ConfigError(
            f"{directory} already holds a run; give --resume to go on with it, --overwrite to replace it, "
            "or another --save_name"
        )
    return None


def prepare_directory(directory: Path, overwrite: bool) -> None:
    """Make the directory; with ``overwrite`` remove the files that runs write, and nothing else."""
    if overwrite:
        for path in run_files(directory):
            path.unlink()
    directory.mkdir(parents=True, exist_ok=True)


def _checkpoint(args: Namespace, directory: Path) -> Path:
    if not args.load_path:
        latest = directory / LATEST
        if not latest.is_file():
            raise ConfigError(f"nothing to resume: {latest} does not exist")
        return latest
    path = Path(args.load_path)
    if not path.is_file():
        raise ConfigError(f"load_path {path} {'is no file' if path.exists() else 'does not exist'}")
    return path


LOCK = ".lock"


@contextmanager
def alone(directory: Path, what: str) -> Iterator[None]:
    """Keep other processes out of ``directory`` for the length of the block. The lock goes when the process does.

    Args:
        directory: is there.
        what: what is at work there, for the message.

    Raises:
        ConfigError: another process is in it.
    """
    with (directory / LOCK).open("w") as file:
        try:
            # Not flock: a loader's worker would inherit that, and hold it after its parent was killed.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise ConfigError(f"another {what} is at work in {directory}") from None
            # A file system without locks.
        yield
