"""The folder of a run, save_dir/save_name: what may be there before, and what may be removed.

A run directory is never deleted. Only the files named here, which runs write, are removed, and only by --overwrite.
"""

from __future__ import annotations

import errno
import fcntl
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from usb_negsamp.atomic_write import remove_leftovers
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.page_mark import is_page_of_ours
from usb_negsamp.run.records.place import check_files, check_folder

LATEST = "latest_model.pth"
BEST = "model_best.pth"
SPL_MODEL = "model_spl.pth"
KEPT_RATIO = "spl_kept_ratio.png"
MANIFEST = "manifest.json"
RESULTS = "results.csv"
SPLIT = "split.npz"
METRICS = "metrics.jsonl"
CURVE = "curve.png"
NEGATIVES = "negatives.png"
TSNE = "tsne.png"
LOG = "log.txt"
REPORT = "report.html"
TENSORBOARD = "tensorboard"
SPLIT_INDICES = "split"
EXPORT = "export"

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
    KEPT_RATIO,
    LOG,
    REPORT,
    f"{TENSORBOARD}/events.out.tfevents.*",
    f"{SPLIT_INDICES}/*.npy",
    f"{SPLIT_INDICES}/*.npz",
    f"{SPLIT_INDICES}/*.json",
    *(f"{EXPORT}/{model}.*" for model in ("best", "last", "spl")),
)


def run_directory(args: Namespace) -> Path:
    """Return save_dir/save_name."""
    return Path(args.save_dir, args.save_name)


def run_files(directory: Path) -> list[Path]:
    """Return the files in ``directory`` that runs write; a page of that name which is not ours is none of them."""
    found = (path for pattern in RUN_FILES for path in directory.glob(pattern) if path.is_file())
    return sorted(path for path in found if path.name != REPORT or _is_page_of_ours(path))


def _is_page_of_ours(path: Path) -> bool:
    try:
        return is_page_of_ours(path)
    except OSError:
        return False


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
    check_files(
        directory, (LOCK, *(name for name in RUN_FILES if "*" not in name)), (TENSORBOARD, SPLIT_INDICES, EXPORT)
    )
    if args.resume and args.overwrite:
        raise ConfigError("--resume goes on with a run and --overwrite starts it anew: give one of them")
    if args.load_path and not args.resume:
        raise ConfigError("--load_path is read only together with --resume")
    if args.resume:
        checkpoint = _checkpoint(args, directory)
        if checkpoint is not None and run_files(directory) and checkpoint.parent.resolve() != directory.resolve():
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


def remove_files_of_start(directory: Path, before: Iterable[Path]) -> None:
    """Remove what a start that failed has made in ``directory``, and the folder if nothing else is in it.

    Args:
        directory: the run's folder; need not be there.
        before: the files of a run that were in it.
    """
    kept = set(before)
    for path in run_files(directory):
        if path not in kept:
            path.unlink()
    if kept:
        return
    for path in (directory / LOCK, directory / TENSORBOARD, directory / SPLIT_INDICES, directory / EXPORT, directory):
        with suppress(OSError):
            path.unlink() if path.is_file() else path.rmdir()


def prepare_directory(directory: Path, stale: Mapping[Path, int]) -> None:
    """Make the directory; remove what runs before wrote, and what a killed run was writing.

    Args:
        directory: the run's folder; need not be there.
        stale: files of a run that is begun anew, as :func:`written_files` found them; one written since then stays.
    """
    now = written_files(directory)
    for path, when in stale.items():
        if now.get(path) == when:
            path.unlink()
    directory.mkdir(parents=True, exist_ok=True)
    remove_leftovers(directory)
    remove_leftovers(directory / SPLIT_INDICES, below=True)


def written_files(directory: Path) -> dict[Path, int]:
    """The files in ``directory`` that runs write, and when each was written, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in run_files(directory)}


def _checkpoint(args: Namespace, directory: Path) -> Path | None:
    if not args.load_path:
        latest = directory / LATEST
        if not latest.is_file() and not (directory / MANIFEST).is_file():
            raise ConfigError(
                f"nothing to resume: {latest} does not exist; --resume RUN goes on with the run in the folder RUN"
            )
        # A run that was killed before its first checkpoint begins anew.
        return latest if latest.is_file() else None
    path = Path(args.load_path)
    if not path.is_file():
        raise ConfigError(f"load_path {path} {'is no file' if path.exists() else 'does not exist'}")
    return path


LOCK = ".lock"


@contextmanager
def exclusive(directory: Path, what: str) -> Iterator[None]:
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


def is_occupied(directory: Path) -> bool:
    """Whether another process of this machine is at work in ``directory``, as :func:`exclusive` lets it know."""
    try:
        file = (directory / LOCK).open("rb")
    except OSError:
        return False
    with file:
        try:
            # A shared lock needs no leave to write, and goes when the file is closed.
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in (errno.EACCES, errno.EAGAIN)
    return False
