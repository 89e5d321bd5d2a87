"""The commands in the ``bash`` blocks of Markdown pages."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```", flags=re.MULTILINE | re.DOTALL)
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


@dataclass(frozen=True)
class Command:
    """One command of a page, without its comment.

    Attributes:
        page: the page's name.
        words: its words, as a shell splits them.
    """

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"

    def of_ours(self) -> list[str] | None:
        """The words after ``usb-negsamp``, under whatever launcher; None where it is another program."""
        words = list(self.words)
        if words[0] == "usb-negsamp":
            return words[1:]
        if words[0] == "torchrun" and "usb_negsamp" in words:
            return words[words.index("usb_negsamp") + 1 :]
        return None


def blocks(page: Path, language: str) -> list[str]:
    """The text of every block of a language."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [match["text"] for match in found if match["language"] == language]


def commands(page: Path) -> list[Command]:
    """Every command of a page's ``bash`` blocks, in order; what is joined by ``&&`` is several."""
    found = []
    for block in blocks(page, "bash"):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            words = shlex.split(line, comments=True)
            ends = [place for place, word in enumerate([*words, "&&"]) if word == "&&"]
            starts = [0, *(place + 1 for place in ends)]
            found += [Command(page.name, tuple(words[i:j])) for i, j in zip(starts, ends, strict=False) if words[i:j]]
    return found
