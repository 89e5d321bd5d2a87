"""Lines of ours in a file of the host: how they are written down, put in and taken out.

A ``*.insert`` file names a file (``file: train.py``), then places in it (``before: REGEX`` or ``after: REGEX``, which
exactly one line of the file matches) each followed by the lines that go there, with a ``+`` in front. In the file of
the host they stand between two marks, the first with a checksum of what follows.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from usb_negsamp.errors import ConfigError

_START = re.compile(r"([ \t]*)# >>> usb-negsamp: (\S+) ([0-9a-f]{12})\r?\n")
_END = "# <<< usb-negsamp: {}"


@dataclass(frozen=True)
class Insertion:
    """Lines of ours, and the place in a file of the host where they go."""

    patch: str
    file: str
    before: bool
    anchor: str
    lines: tuple[str, ...]

    def block(self, newline: str) -> str:
        """Return the lines between their marks."""
        indent = next((line[: len(line) - len(line.lstrip())] for line in self.lines if line), "")
        start = f"{indent}# >>> usb-negsamp: {self.patch} {_checksum(self.lines)}"
        return "".join(line + newline for line in (start, *self.lines, indent + _END.format(self.patch)))


def read_insertions(folder: Path) -> list[Insertion]:
    """Return the insertions of the ``*.insert`` files in ``folder``, in the order in which they stand."""
    insertions = []
    for path in sorted(folder.glob("*.insert")):
        patch = path.stem.partition("-")[2]
        file, place, lines = "", ("", ""), list[str]()
        # The last, empty field makes the loop store what precedes it.
        for line in [*path.read_text(encoding="utf-8").splitlines(), "file: "]:
            if line.startswith("+"):
                lines.append(line[1:])
                continue
            key, _, value = line.partition(": ")
            if key in ("file", "before", "after"):
                if lines:
                    insertions.append(Insertion(patch, file, place[0] == "before", place[1], tuple(lines)))
                lines = []
                file, place = (value, ("", "")) if key == "file" else (file, (key, value))
    return insertions


def _checksum(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def without_insertions(text: str, name: str) -> str:
    """Return the text as it was before anything was inserted.

    Raises:
        ConfigError: lines between our marks, or the marks, were changed.
    """
    kept: list[str] = []
    lines = iter(enumerate(_lines(text), start=1))
    for number, line in lines:
        match = _START.fullmatch(line)
        if match is None:
            if "# <<< usb-negsamp: " in line:
                raise ConfigError(f"{name}, line {number}: the end of lines of ours whose start is gone")
            kept.append(line)
            continue
        _, patch, checksum = match.groups()
        if _checksum(_until_end(lines, patch)) != checksum:
            raise ConfigError(
                f"{name}, line {number}: the lines that the patch {patch!r} inserted were changed; undo that first"
            )
    return "".join(kept)


def _until_end(lines: Iterator[tuple[int, str]], patch: str) -> Iterator[str]:
    for _, line in lines:
        if line.strip() == _END.format(patch):
            return
        yield line.rstrip("\r\n")
    yield "there is no end"


def with_insertions(text: str, name: str, insertions: Iterable[Insertion]) -> str:
    """Return a text without insertions with those of the file ``name``.

    Raises:
        ConfigError: a place is not there, or not the only one of its kind, or in the middle of a statement.
    """
    lines = _lines(text)
    before: dict[int, list[str]] = defaultdict(list)
    after: dict[int, list[str]] = defaultdict(list)
    for insertion in insertions:
        if insertion.file != name:
            continue
        found = [index for index, line in enumerate(lines) if re.search(insertion.anchor, line.rstrip("\r\n"))]
        if len(found) != 1:
            raise ConfigError(
                f"{name} is of a revision that the patch {insertion.patch!r} does not fit: expected one line matching "
                f"{insertion.anchor!r}, found {len(found)}"
            )
        anchor = lines[found[0]]
        newline = "\r\n" if anchor.endswith("\r\n") else "\n"
        (before if insertion.before else after)[found[0]].append(insertion.block(newline))
    pieces = ["".join((*before[index], line, *after[index])) for index, line in enumerate(lines)]
    patched = "".join(pieces)
    if without_insertions(patched, name) != text:
        raise ConfigError(f"{name} cannot be patched so that it can be reverted")
    try:
        # A statement in place of each mark: it is no Python where our lines are in the middle of another statement.
        compile(_START.sub(r"\1pass\n", patched), name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{name} is of a revision that the patches do not fit: patched, it is no Python") from error
    return patched
