"""Whether what a run asks for fits into the memory of the machine, asked before it is taken."""

from __future__ import annotations

import os

from usb_negsamp.errors import expected

GIGABYTE = 10**9


def memory_of_machine() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_fits(num_bytes: int, key: str, what: str, hint: str = "") -> None:
    """Refuse what the machine cannot hold at once.

    Args:
        num_bytes: what it takes.
        key: the configuration key, or keys, by which it is so large.
        what: what takes so much, in words.
        hint: what may help, after a semicolon.

    Raises:
        ConfigError: it is more than the memory of the machine.

    >>> check_fits(10**30, "img_size", "5 images")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    usb_negsamp.errors.ConfigError: img_size: expected what fits into the memory of this machine, ...
    """
    there = memory_of_machine()
    if num_bytes > there:
        raise expected(
            key,
            f"what fits into the memory of this machine, {there / GIGABYTE:.4g} GB",
            f"{what}, which take {num_bytes / GIGABYTE:.4g} GB",
            hint,
        )
