"""What becomes of memory that a step has freed: on the CPU it is kept for the next one.

The GNU C library gives large blocks back to the system when they are freed, and gets them anew, page by page and each
page cleared, in the next step: up to a third of the time of a step. Here it is told to keep up to a gigabyte of freed
memory, and blocks of up to 32 megabytes in it. The process may take more memory for that, a sixth where we measured it.
Nothing is computed otherwise. Who has set one of the library's own variables for this keeps what it says.
"""

from __future__ import annotations

import ctypes
import os

LARGEST_KEPT_BLOCK = 32 * 2**20
"""The most that the library takes for it."""
MOST_KEPT = 2**30

VARIABLES = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_")
TUNABLES = "GLIBC_TUNABLES"

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def keep_freed_memory() -> bool:
    """Let the C library keep freed memory; whether it does, which it is not asked where it is told or is another."""
    told = any(name in os.environ for name in VARIABLES) or "malloc" in os.environ.get(TUNABLES, "")
    if told or not _is_gnu():
        return False
    library = ctypes.CDLL(None)
    blocks_are_kept: bool = library.mallopt(_MMAP_THRESHOLD, LARGEST_KEPT_BLOCK) == 1
    return bool(library.mallopt(_TRIM_THRESHOLD, MOST_KEPT) == 1) and blocks_are_kept


def _is_gnu() -> bool:
    """Whether this process runs on the GNU C library."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None  # type: ignore[attr-defined,unused-ignore]
    except (AttributeError, ValueError, OSError):
        return False
