"""Reading data where they lie, and nowhere else."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import URLError


@contextmanager
def nothing_downloaded() -> Iterator[None]:
    """Inside the block whoever opens an address fails, as without a network: torchvision and the host download so."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise URLError("nothing is downloaded here")

    before = urllib.request.urlopen
    urllib.request.urlopen = refuse
    try:
        yield
    finally:
        urllib.request.urlopen = before
