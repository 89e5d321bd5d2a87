"""What the log of a run says of changes that stepped aside."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from semilearn.core import AlgorithmBase

from usb_negsamp.host import patching

NAME = "notice"


def in_the_log() -> None:
    """Let every algorithm that is built from now on say what stepped aside, a line each; nothing where nothing did."""
    if patching.stepped_aside() and NAME not in patching.applied():
        with patching.applying(NAME):
            patching.replace(AlgorithmBase, "__init__", _saying(AlgorithmBase.__init__))


def _saying(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        for line in patching.lines_of_stepped_aside():
            self.print_fn(line)

    return __init__
