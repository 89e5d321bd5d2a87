"""Altered copies of a checkpoint, for tests."""

from __future__ import annotations

import copy
from typing import Any

ABSENT = object()
"""In the place of a value: no such entry."""


def altered(saved: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of ``saved`` whose entry at ``path`` (names and numbers between slashes) is another, or gone."""
    whole = copy.deepcopy(saved)
    inner: Any = whole
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("/"))
    for part in parents:
        inner = inner[part]
    if value is ABSENT:
        del inner[last]
    else:
        inner[last] = value
    return whole
