"""split.npz: the index arrays of a run's split and the digest of the options that made it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from usb_negsamp.atomic_write import replacing
from usb_negsamp.errors import ConfigError
from usb_negsamp.run.records.directory import MANIFEST, SPLIT


def write_split(directory: Path, record: Any) -> None:
    """Write ``record`` (a :class:`usb_negsamp.data.SplitRecord`) into the run's folder."""
    with replacing(directory / SPLIT) as file:
        np.savez(file, digest=np.array(record.digest), **record.arrays)


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


def check_held_out(source: Path, record: Any, data_digest: str | None) -> None:
    """Compare the images that are held out now with those that a run on the same data was given the labels of.

    Args:
        source: the folder or the checkpoint of the run.
        record: the :class:`usb_negsamp.data.SplitRecord` of now.
        data_digest: of the images of now.

    Raises:
        ConfigError: some are both.
    """
    from usb_negsamp.run.records.manifest import read_manifest

    directory = source if source.is_dir() else source.parent
    manifest = read_manifest(directory / MANIFEST)
    labeled = _labeled_of_run(directory)
    if labeled is None or manifest.get("data_digest") != data_digest:
        return
    shared = np.intersect1d(labeled, record.validation)
    if len(shared):
        raise ConfigError(
            f"spl_from: {len(shared)} of the {len(record.validation)} held-out images, which the mask learns on, were "
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
