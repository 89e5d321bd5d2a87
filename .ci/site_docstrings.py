"""Docstrings for the site: an extension of griffe, which reads the package's source without importing it."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":[a-z]+:`~?([^`]+)`")


def as_markdown(text: str) -> str:
    """Return a docstring whose roles are code and whose doctests are blocks of code."""
    lines: list[str] = []
    in_block = False
    for line in ROLE.sub(r"`\1`", text).splitlines():
        if line.lstrip().startswith(">>> ") and not in_block:
            in_block = True
            lines += ["", "```pycon"]
        elif in_block and not line.strip():
            in_block = False
            lines.append("```")
        lines.append(line)
    return "\n".join([*lines, "```"] if in_block else lines)


class SiteDocstrings(griffe.Extension):
    """Hands each docstring of the package on as Markdown."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Change the docstring of an object that was read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
