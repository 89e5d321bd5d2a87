"""Decoded pictures that are kept in a folder, so that the next run on the same ones need not decode them again.

A set of pictures is one file, NAME.npy: what NumPy writes of (N, img_size, img_size, 3) uint8, named by a digest of the
files' places, sizes and times of change, of the size of the images and of the version of Pillow. Where any of these is
another, the pictures are decoded anew, beside the file that is there. Processes share the memory that it is mapped to.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL

from usb_negsamp.atomic_write import remove_leftovers, replacing
from usb_negsamp.data.sources.decoding import Decoded, decode_readable
from usb_negsamp.errors import expected

logger = logging.getLogger("usb_negsamp.data")

_FORM = 1
"""Of what is kept; another number where decoding gives other pixels."""


def decode_once(files: Sequence[Path], img_size: int, folder: Path) -> Decoded:
    """Return what :func:`~usb_negsamp.data.sources.decoding.decode_readable` does, from ``folder`` where it is there.

    What is decoded is kept there, unless one of the files cannot be decoded: that one may be mended.

    Args:
        files: pictures.
        img_size: side of the images, in pixels.
        folder: is made where it is missing.

    Raises:
        ConfigError: nothing can be written to the folder, or the disk is full.
    """
    kept = folder / f"{digest_of(files, img_size)}.npy"
    shape = (len(files), img_size, img_size, 3)
    images = _mapped(kept, shape)
    if images is not None:
        logger.info("%d decoded pictures are those of %s", len(files), kept)
        return Decoded(images, np.arange(len(files), dtype=np.int64), [])
    if not files:
        return decode_readable(files, img_size)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        with contextlib.suppress(_NotKept), replacing(kept) as file:
            rows = np.lib.format.open_memmap(file.name, "w+", np.uint8, shape)
            # A disk that turned out full at a later write would end the process by a signal.
            os.posix_fallocate(file.fileno(), 0, os.path.getsize(file.name))
            decoded = decode_readable(files, img_size, into=rows)
            if decoded.bad:
                raise _NotKept
    except OSError as error:
        raise expected("decoded_dir", "a folder with room for decoded pictures", f"{folder}: {error}") from error
    # Who wrote into the rows that were decoded into would write into the file.
    mapped = None if decoded.bad else _mapped(kept, shape)
    return decoded if mapped is None else decoded._replace(images=mapped)


def digest_of(files: Sequence[Path], img_size: int) -> str:
    """Return 32 hexadecimal digits that change where the pixels that ``files`` decode to may have changed."""
    digest = hashlib.sha256(repr((_FORM, PIL.__version__, img_size)).encode())
    for file in files:
        try:
            state = os.stat(file)
        except OSError:  # decoding says what is wrong with it
            continue
        digest.update(repr((os.path.abspath(file), state.st_size, state.st_mtime_ns)).encode())
    return digest.hexdigest()[:32]


def _mapped(kept: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The images of a file that is whole; writing to them changes this process's alone."""
    try:
        images = np.load(kept, mmap_mode="c", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError):  # cut short by whoever copied it
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


class _NotKept(Exception):
    """What was decoded is not to be kept."""
