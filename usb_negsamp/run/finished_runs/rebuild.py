"""A run that has trained, built again from what its manifest says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.configuration.processes import Process
from usb_negsamp.run.records.directory import MANIFEST
from usb_negsamp.run.records.manifest import config_of, read_manifest

if TYPE_CHECKING:
    from usb_negsamp.host.datasets.built_data import BuiltData

# Keys that say where a training starts, or what may be replaced: nothing starts here.
_OF_THE_START: dict[str, Any] = {"spl_from": None, "load_path": None, "resume": False, "overwrite": False}


def build_again(run: Path, given: Mapping[str, Any] | None = None) -> Any:
    """The algorithm of the run in the folder ``run``, with its data, as it was built before its first step.

    Args:
        run: the folder.
        given: keys and texts, as of a command line, that win over the run's own. Device and GPU are chosen anew: they
            are those of this machine.

    Raises:
        ConfigError: the folder holds no run, the data are not there, or they are others than the run's.
    """
    manifest, config = read_manifest(run / MANIFEST), config_of(run)

    import usb_negsamp
    from usb_negsamp.run.configuration.checks import check
    from usb_negsamp.run.configuration.resolution import Sources, resolve

    usb_negsamp.register()
    place = {"save_dir": str(run.parent), "save_name": run.name, "device": "auto", "gpu": None}
    start = {key: value for key, value in _OF_THE_START.items() if key in config}
    resolved = resolve(Sources(None, {**config, **start, **place}, dict(given or {}), run=run))
    args = resolved.args
    check(args, Process(), resolved.given)

    from usb_negsamp.host.build import build_algorithm
    from usb_negsamp.run.training.console import Console, long_work_shown
    from usb_negsamp.run.training.determinism import seed_everything
    from usb_negsamp.run.training.session import choose_device

    choose_device(args, Process())
    seed_everything(args.seed)
    with long_work_shown(Console()):
        algorithm, data = build_algorithm(args, logging.getLogger("usb_negsamp.finished_run"))
    _check_same_data(run, manifest, data)
    return algorithm


def _check_same_data(run: Path, manifest: Mapping[str, Any], data: BuiltData) -> None:
    for name, now, what in (("data_digest", data.data_digest, "images"), ("split_digest", data.split_digest, "split")):
        before = manifest.get(name)
        if before is not None and now is not None and before != now:
            raise ConfigError(
                f"{run} was trained on other data: expected {what} with the digest {before[:12]}, but those of dataset "
                f"{manifest['config'].get('dataset')} have {now[:12]}; give the right folder by --data_dir"
            )
