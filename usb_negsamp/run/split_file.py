"""split.npz: the index arrays of a run's split and the digest of the options that made it."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from usb_negsamp.errors import ConfigError
from usb_negsamp.run.directory import MANIFEST, SPLIT, write_atomically


def write_split(directory: Path, record: Any) -> None:
    """Write ``record`` (a :class:`usb_negsamp.data.SplitRecord`) into the run's folder."""
    content = io.BytesIO()
    np.savez(content, digest=np.array(record.digest), **record.arrays)
    write_atomically(directory / SPLIT, content.getvalue())


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


def _digest_of_run(directory: Path) -> str | None:
    from usb_negsamp.run.manifest import read_manifest

    try:
        with np.load(directory / SPLIT, allow_pickle=False) as saved:
            return str(saved["digest"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        digest = read_manifest(directory / MANIFEST).get("split_digest")
        return digest if isinstance(digest, str) else None
