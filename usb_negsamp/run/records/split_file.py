"""split.npz: the index arrays of a run's split and the digest of the options that made it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from usb_negsamp.atomic_write import replacing
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.directory import MANIFEST, SPLIT

if TYPE_CHECKING:
    from usb_negsamp.data import SplitRecord
    from usb_negsamp.host.datasets.built_data import BuiltData


def write_split(directory: Path, record: SplitRecord) -> None:
    """Write ``record`` into the run's folder."""
    arrays: dict[str, Any] = {"digest": np.array(record.digest), **record.arrays}
    with replacing(directory / SPLIT) as file:
        np.savez(file, **arrays)


def check_same_split(checkpoint: Path, digest: str | None) -> None:
    """Compare with the split of the run that ``checkpoint`` is of, as far as that is known.

    Raises:
        ConfigError: the run that is resumed had another split.
    """
    before = _digest_of_run(checkpoint.parent)
    if digest is not None and before is not None and before != digest:
        raise ConfigError(
            f"cannot resume from {checkpoint}: its run had another split of the data ({before[:12]}), the keys given "
            f"now make {digest[:12]}; give the same seed, split_seed and keys of the data"
        )


def check_held_out(source: Path, data: BuiltData) -> None:
    """Compare the images that are held out now with those that a run on the same data was given the labels of.

    Args:
        source: the folder or the checkpoint of the run.
        data: the data of now.

    Raises:
        ConfigError: some are both.
    """
    from usb_negsamp.run.records.manifest import read_manifest

    directory = source if source.is_dir() else source.parent
    manifest = read_manifest(directory / MANIFEST)
    labeled = _labeled_of_run(directory)
    if data.split is None or labeled is None or manifest.get("data_digest") != data.data_digest:
        return
    held_out = data.split.validation
    shared = np.intersect1d(labeled, held_out)
    if len(shared):
        raise ConfigError(
            f"spl_from: {len(shared)} of the {len(held_out)} held-out images, which the mask learns on, were "
            f"labeled training images of {directory}; give that run's split_seed, {manifest.get('split_seed')}"
        )


def _labeled_of_run(directory: Path) -> np.ndarray | None:
    try:
        with np.load(directory / SPLIT, allow_pickle=False) as saved:
            return np.asarray(saved["labeled"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _digest_of_run(directory: Path) -> str | None:
    from usb_negsamp.run.records.manifest import read_manifest

    try:
        with np.load(directory / SPLIT, allow_pickle=False) as saved:
            return str(saved["digest"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        digest = read_manifest(directory / MANIFEST).get("split_digest")
        return digest if isinstance(digest, str) else None
