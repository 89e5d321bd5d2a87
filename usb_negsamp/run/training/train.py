"""From a request, by the command ``usb-negsamp train`` or from Python, to a run that has been carried out."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from usb_negsamp.errors import ConfigError, did_you_mean
from usb_negsamp.key import Key
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.catalog import kept_catalog, register_and_keep
from usb_negsamp.run.configuration.keys import INERT_HOST_KEYS, LAUNCHER_KEYS, RUN_STATE_KEYS
from usb_negsamp.run.configuration.plugins import installed_plugins
from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.configuration.resolution import Resolved, Sources, resolve, sources_of, unknown_key
from usb_negsamp.run.records.directory import MANIFEST, check_directory
from usb_negsamp.run.records.manifest import config_of

OF_THE_RUN = ("save_dir", "save_name", "load_path")
"""Keys that the folder of a run decides, where the run is named by it."""


def train(argv: Sequence[str]) -> int:
    """Train as the command line asks; return the exit code.

    Returns:
        0 when finished; 128 + the signal's number when SIGINT or SIGTERM ended it, with a checkpoint saved if there was
        anything to save.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    process = from_environment()
    resolved = resolve_request(command_line.parse(argv))

    from usb_negsamp.run.training.run import carry_out

    return carry_out(resolved, argv, process)


def resolve_request(request: command_line.Request) -> Resolved:
    """Check what is asked as far as nothing heavy is loaded, then load the host, and resolve it.

    Raises:
        ConfigError: the request cannot be carried out.
    """
    run = run_to_resume(request.given)
    if run is None:
        sources = sources_of(request)
        if "semilearn" not in sys.modules:
            check_names(sources)
        check_place(sources)
    else:
        check_run(run, request)

    # From here on torch and the host are loaded, which takes seconds: a wrong path need not wait for them.
    register_and_keep()
    if run is not None:
        sources = replace(sources_of_run(run, request.given), given_name=request.where)
    return resolve(sources)


def check_names(sources: Sources) -> None:
    """Refuse keys that are not there, by the names that an earlier command has kept; those of the file first.

    Where nothing was kept, or somebody's plugin may have added the algorithm or the key, ``resolve`` will say so.

    Raises:
        ConfigError: no such key, as ``resolve`` says it.
    """
    if "plugin" in sources.file_values or "plugin" in sources.given or installed_plugins():
        return
    kept = kept_catalog()
    chosen = {**sources.file_values, **sources.given}
    algorithm, imb_algorithm = chosen.get("algorithm", "fixmatch"), chosen.get("imb_algorithm")
    if kept is None or algorithm not in list(kept.algorithms) or imb_algorithm not in [None, *kept.imb_algorithms]:
        return
    known = kept.keys_of(algorithm, imb_algorithm)
    read = {*known, *LAUNCHER_KEYS, *INERT_HOST_KEYS}
    for where, keys in ((sources.file_name, sources.file_values), (sources.given_name, sources.given)):
        for given in keys:
            name = kept.former_keys.get(given, given)
            readers = kept.readers(name)
            # A file made for one algorithm may be run with another.
            if name not in read and not (where == sources.file_name and (name in RUN_STATE_KEYS or readers)):
                raise unknown_key(name, where, known, algorithm, readers)


def check_place(sources: Sources) -> None:
    """Refuse a new run where there is one, if the request alone tells where it would be.

    Raises:
        ConfigError: as :func:`~usb_negsamp.run.records.directory.check_directory` says it.
    """
    asked = {**sources.file_values, **sources.given}
    folder, name = asked.get("save_dir"), asked.get("save_name")
    goes_on = any(key in asked for key in ("resume", "overwrite", "load_path"))
    if isinstance(folder, str) and folder and isinstance(name, str) and name and not goes_on:
        check_directory(Namespace(save_dir=folder, save_name=name, resume=False, overwrite=False, load_path=""))


def run_to_resume(given: Mapping[str, Any]) -> Path | None:
    """Return the folder that ``--resume`` names, or None where it is a flag, as beside a file, or not there.

    >>> run_to_resume({"resume": "saved_models/vat"}), run_to_resume({"resume": None}), run_to_resume({"resume": "no"})
    (PosixPath('saved_models/vat'), None, None)
    """
    text = given.get("resume")
    if text is None:
        return None
    try:
        Key("resume", bool, False).converted(text, "")
    except ConfigError:
        return Path(text)
    return None


def check_run(run: Path, request: command_line.Request) -> None:
    """Refuse a folder that is no run's, and what its run decides itself. Loads nothing heavy.

    Raises:
        ConfigError: the first that is wrong.
    """
    if request.config_file is not None or request.values is not None:
        raise ConfigError("--resume RUN goes on with the run's own configuration: --c cannot be given beside it")
    for key in OF_THE_RUN:
        if key in request.given:
            raise ConfigError(f"--resume RUN goes on in the run's own folder: --{key} cannot be given")
    if run.is_dir():
        if not (run / MANIFEST).is_file():
            raise ConfigError(f"--resume: expected the folder of a run, but {run} holds no {MANIFEST}")
        return
    if run.exists():
        raise ConfigError(f"--resume: expected the folder of a run, but got the file {run}; its folder is {run.parent}")
    near = [str(path.parent) for path in run.parent.glob(f"*/{MANIFEST}")]
    raise ConfigError(f"--resume: expected the folder of a run, but {run} does not exist{did_you_mean(str(run), near)}")


def sources_of_run(run: Path, given: Mapping[str, Any]) -> Sources:
    """Return what the run in the folder ``run`` was asked, to go on with it there.

    Args:
        run: holds a manifest. It may have been moved since it was written.
        given: keys and texts of the command line, which win.

    Raises:
        ConfigError: the manifest cannot be read.
    """
    config = {key: value for key, value in config_of(run).items() if key not in RUN_STATE_KEYS}
    folder = run if run.name and run.name != ".." else run.resolve()
    place = {"resume": None, "save_dir": str(folder.parent), "save_name": folder.name}
    return Sources(None, config, {**given, **place}, run=run)
