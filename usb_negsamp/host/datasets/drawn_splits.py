"""The splits that the host's own loaders draw: noted where they are drawn, read where the loader was called.

The loaders return images. The indices that they drew are known between the two places alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_digests: ContextVar[list[str] | None] = ContextVar("digests of drawn splits", default=None)


@contextmanager
def noted_splits() -> Iterator[list[str]]:
    """Give a list that gets the digest of each split drawn inside the block, in order."""
    digests: list[str] = []
    token = _digests.set(digests)
    try:
        yield digests
    finally:
        _digests.reset(token)


def note_split(digest: str) -> None:
    """Tell the innermost :func:`noted_splits`, if there is one, that a split was drawn."""
    digests = _digests.get()
    if digests is not None:
        digests.append(digest)
