"""Where the drawn split is written, and what it depends on (V14).

What is wrong: ``datasets/utils.py`` ``sample_labeled_unlabeled_data`` writes the drawn indices below the folder that
``semilearn`` is installed in, under a name without the run, and (STL-10) reads what it finds there; the draw depends on
whatever was drawn from numpy's generator before. How it shows: OSError for a read-only installation; a split of another
run. How it is mended: the indices go to ``SAVE_DIR/SAVE_NAME/split``, from rank 0, or nowhere if that cannot be
written; ``split_seed`` draws from a generator of its own; whoever called the loader learns the digest of the split
(:mod:`usb_negsamp.host.datasets.drawn_splits`). When it may go: when the host does the same.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from semilearn.datasets import utils

from usb_negsamp.atomic_write import write_atomically
from usb_negsamp.host.datasets.drawn_splits import note_split
from usb_negsamp.host.patching import replace_everywhere


def split_digest(labeled: Any, unlabeled: Any) -> str:
    """SHA-256 of the labeled and then the unlabeled indices, as little-endian 64-bit integers."""
    digest = hashlib.sha256()
    for indices in (labeled, unlabeled):
        digest.update(np.ascontiguousarray(indices, dtype="<i8").tobytes())
    return digest.hexdigest()


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Draw from numpy's global generator as if it had just been seeded, and put its state back; None: as it is."""
    if seed is None:
        yield
        return
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)


def _copy(source: str, target: str) -> None:
    write_atomically(target, Path(source).read_bytes())


def _keep(written: Path, args: Any) -> None:
    save_dir, save_name = getattr(args, "save_dir", None), getattr(args, "save_name", None)
    if save_dir is None or save_name is None or getattr(args, "rank", 0) > 0:
        return
    folder = Path(save_dir) / str(save_name) / "split"
    try:
        shutil.copytree(written / "data", folder, copy_function=_copy, dirs_exist_ok=True)
    except (OSError, shutil.Error) as error:
        warnings.warn(f"the indices of the split are not kept: {folder} cannot be written ({error})", stacklevel=3)


def apply() -> None:
    """Wrap ``sample_labeled_unlabeled_data``."""
    original = utils.sample_labeled_unlabeled_data

    @functools.wraps(original)
    def sample_labeled_unlabeled_data(args: Any, *rest: Any, **kwargs: Any) -> tuple[np.ndarray, np.ndarray]:
        host_folder = utils.base_dir
        with tempfile.TemporaryDirectory() as folder, seeded(getattr(args, "split_seed", None)):
            utils.base_dir = folder
            try:
                labeled, unlabeled = original(args, *rest, **kwargs)
            finally:
                utils.base_dir = host_folder
            _keep(Path(folder), args)
        note_split(split_digest(labeled, unlabeled))
        return labeled, unlabeled

    replace_everywhere(original, sample_labeled_unlabeled_data)
