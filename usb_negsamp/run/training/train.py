"""``usb-negsamp train``: from a command line to a run that has been carried out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from usb_negsamp.errors import ConfigError, did_you_mean
from usb_negsamp.key import Key
from usb_negsamp.run.configuration import command_line
from usb_negsamp.run.configuration.keys import RUN_STATE_KEYS
from usb_negsamp.run.configuration.processes import from_environment
from usb_negsamp.run.configuration.resolution import Sources, read_sources, resolve
from usb_negsamp.run.records.directory import MANIFEST
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
    request = command_line.parse(argv)
    run = run_to_resume(request.given)
    if run is None:
        sources = read_sources(argv)
    else:
        check_run(run, request)

    # From here on torch and the host are loaded, which takes seconds: a wrong path need not wait for them.
    import usb_negsamp

    usb_negsamp.register()
    if run is not None:
        sources = sources_of_run(run, request.given)
    resolved = resolve(sources)

    from usb_negsamp.run.training.run import carry_out

    return carry_out(resolved, argv, process)


def run_to_resume(given: Mapping[str, str | None]) -> Path | None:
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
    if request.config_file is not None:
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


def sources_of_run(run: Path, given: Mapping[str, str | None]) -> Sources:
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
