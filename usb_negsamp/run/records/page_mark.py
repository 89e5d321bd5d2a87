"""By what a page of ours is known again, so that no other is replaced or removed."""

from __future__ import annotations

from pathlib import Path

GENERATOR = "usb-negsamp report"
_BYTES_OF_HEAD = 2000


def is_page_of_ours(path: Path) -> bool:
    """Whether the file begins as a page that ``usb-negsamp report`` wrote.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_BYTES_OF_HEAD)
    return f'<meta name="generator" content="{GENERATOR}">'.encode() in head
