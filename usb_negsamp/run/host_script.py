"""What a patched checkout's ``train.py`` and ``eval.py`` ask of us.

``train.py``: our keys as its flags, the values of a preset, and a manifest in the run's folder, by which the run can be
evaluated. ``eval.py``: the data of the run whose network it evaluates.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.keys import OWN_KEYS
from usb_negsamp.run.configuration.presets import apply_preset
from usb_negsamp.run.records.directory import MANIFEST
from usb_negsamp.run.records.manifest import Manifest, config_of, read_manifest

LAUNCHER_ONLY = ("plugin", "device", "curve", "deterministic")
"""Keys of ours that only ``usb-negsamp train`` carries out."""
HOSTS_OWN = "mean_std"
"""How the host prepares images."""
OF_A_START = frozenset({"log.txt", "tensorboard", "split"})
"""What is in a run's folder before the run has an algorithm."""
OF_PROCESSES = frozenset({"world_size", "rank", "dist_url", "dist_backend", "multiprocessing_distributed", "gpu"})
"""Keys of one start alone."""
_PLAIN = (bool, int, float, str, list, type(None))


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Add our keys to the host's parser."""
    from usb_negsamp.host import str2bool

    for key in OWN_KEYS:
        if key.name not in LAUNCHER_ONLY:
            kind = str2bool if key.type is bool else key.type
            parser.add_argument(f"--{key.name}", type=kind, default=key.default, help=key.meaning.replace("%", "%%"))


def fill_preset(args: argparse.Namespace, read_given: Callable[[argparse.Namespace, str], None]) -> None:
    """Give the keys that neither the file nor the command line gives the values of the preset, if there is one.

    Args:
        args: what the host's code reads; changed in place.
        read_given: sets what the file (its name is the second argument) and the command line give.

    Raises:
        ConfigError: no such preset, or none for this algorithm.
    """
    given = argparse.Namespace()
    read_given(given, args.c)
    vars(args).update(apply_preset(args.algorithm, vars(args), vars(given), vars(args)))


def in_one_line(build: Callable[..., Any]) -> Callable[..., Any]:
    """``build``, for a script: what is wrong with what it was given ends the process in a line, and no traceback."""

    def built(*args: Any, **kwargs: Any) -> Any:
        try:
            return build(*args, **kwargs)
        except ConfigError as error:
            raise SystemExit(f"{Path(sys.argv[0]).name}: error: {error}") from error

    return built


def starting(build: Callable[..., Any]) -> Callable[..., Any]:
    """``build``, from whose failure there is one line, and no folder that would be in the way of the next start."""

    def built(args: argparse.Namespace, *rest: Any, **kwargs: Any) -> Any:
        try:
            return in_one_line(build)(args, *rest, **kwargs)
        except BaseException:
            folder = Path(args.save_dir, args.save_name)
            if folder.is_dir() and {path.name for path in folder.iterdir()} <= OF_A_START:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    return built


def note_run(algorithm: Any, config: dict[str, Any]) -> None:
    """Write what the run was asked and the digests of its data, from its first process.

    Args:
        algorithm: the host's, with its data.
        config: what its arguments were before anything changed them.
    """
    if algorithm.rank > 0:
        return
    from usb_negsamp.host import device
    from usb_negsamp.host.datasets.built_data import built_data_of
    from usb_negsamp.run.configuration.resolution import definitions_for

    known = definitions_for(config["algorithm"], config["imb_algorithm"]).keys() - OF_PROCESSES
    plain: dict[str, Any] = {
        name: value for name, value in config.items() if name in known and isinstance(value, _PLAIN)
    }
    # The script has divided it by now.
    plain["batch_size"] *= algorithm.world_size if algorithm.distributed else 1
    manifest = Manifest(
        Path(algorithm.save_dir, algorithm.save_name, MANIFEST),
        config=plain,
        argv=sys.argv[1:],
        data=built_data_of(algorithm),
        device=device.selected(),
        world_size=algorithm.world_size,
    )
    manifest.path.parent.mkdir(parents=True, exist_ok=True)
    manifest.write()


def data_of_run(args: argparse.Namespace, get_dataset: Callable[..., Any]) -> Callable[..., Any]:
    """``get_dataset`` for ``eval.py``: the images that the run of its checkpoint was tested on, as it saw them.

    Without a manifest beside the checkpoint it is the host's, which knows one way alone to prepare images.

    Args:
        args: of ``eval.py``.
        get_dataset: the host's.
    """
    return in_one_line(lambda *given: _tested(args, get_dataset, *given))


def _tested(args: argparse.Namespace, get_dataset: Callable[..., Any], *given: Any) -> Any:
    from usb_negsamp.host.checkpoints.file import read_checkpoint

    folder = Path(args.load_path).absolute().parent
    if not read_manifest(folder / MANIFEST):
        entry = read_checkpoint(args.load_path).get("image_format") or {}
        if entry.get("preprocessing", HOSTS_OWN) != HOSTS_OWN or entry.get("unseen_classes"):
            raise ConfigError(
                f"{args.load_path}: expected a {MANIFEST} beside it, which says how its images are prepared "
                f"({entry['preprocessing']}) and which classes it knows, but there is none"
            )
        return get_dataset(*given)
    run = argparse.Namespace(**config_of(folder))
    run.data_dir = args.data_dir
    data = get_dataset(
        run, run.algorithm, run.dataset, run.num_labels, run.num_classes, run.data_dir, run.include_lb_to_ulb
    )
    return {**data, "eval": data["eval"] if data.get("test") is None else data["test"]}
