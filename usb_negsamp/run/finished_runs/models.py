"""The models that a finished run has left, by the names that users give them."""

from __future__ import annotations

from pathlib import Path

from usb_negsamp.errors import ConfigError, unknown
from usb_negsamp.run.records.directory import BEST, LATEST, SPL_MODEL
from usb_negsamp.run.records.manifest import config_of

MODELS = {"best": BEST, "last": LATEST, "spl": SPL_MODEL}


def model_of(run: Path, which: str) -> Path:
    """The file of one of the run's models.

    Args:
        run: the run's folder.
        which: one of :data:`MODELS`: best on validation, last, or what SPL has left.

    Raises:
        ConfigError: the folder holds no run, or none with that model.
    """
    if which not in MODELS:
        raise unknown("model", which, MODELS)
    config_of(run)
    if not (run / MODELS[which]).is_file():
        raise ConfigError(f"{run} holds no such model: expected {MODELS[which]} (--model {which})")
    return run / MODELS[which]
