"""Every Markdown file of the repository leads where it says it leads."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
MOST_WORDS_OF_README = 1500
GENERATED = {".git", ".venv", "build", "dist", "saved_models", "node_modules"}
LINK = re.compile(r"\]\(([^()\s]+)[^()]*\)")


def documents() -> list[Path]:
    """Every Markdown file that belongs to the repository."""
    paths = (path for path in ROOT.rglob("*.md") if not GENERATED & set(path.relative_to(ROOT).parts))
    return sorted(path for path in paths if not any(part.startswith(".") and part != ".github" for part in path.parts))


@cache
def prose(path: Path) -> str:
    """The text without blocks of code, in which brackets and marks mean something else."""
    return re.sub(r"^(`{3,}|~{3,}).*?^\1", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@cache
def anchors(path: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them: lower case, no punctuation, a dash for a space."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6}\s+(.+?)\s*#*$", prose(path), flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        if found[name]:
            found[f"{name}-{found[name]}"] = 0
    return set(found)


def wrong_links(path: Path) -> list[str]:
    """Relative links of a file that lead to no file, or to no heading of one."""
    wrong = []
    without_code = re.sub(r"`[^`\n]*`", lambda code: re.sub(r"[()]", "", code[0]), prose(path))
    for link in LINK.findall(without_code):
        if re.match(r"[a-z][a-z+.-]*:", link):
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (path.parent / name).resolve() if name else path
        exists = target.exists() and target.is_relative_to(ROOT)
        if not exists or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            wrong.append(link)
    return wrong


def test_the_search_for_wrong_links_finds_them(tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "b.md").write_text("# What, `it(s)` is\n\n## Again\n\n## Again\n")
    page = tmp_path / "a.md"
    page.write_text(
        "[a](b.md) [b](b.md#what-its-is) [c](b.md#again-1) [d](https://example.org/none) [e](#top)\n# Top\n"
        "[f](c.md) ![g](none.png) [h](b.md#again-2) [i](../outside.md) [j](#bottom) [`k`](d.md) `[l](none)`\n"
        "```\n[l](none)\n# Bottom\n```\n[![m](n.png)](b.md)\n"
    )
    assert wrong_links(page) == ["c.md", "none.png", "b.md#again-2", "../outside.md", "#bottom", "d.md", "n.png"]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_a_file_and_a_heading(path):
    assert wrong_links(path) == []


def test_the_search_reaches_every_document_that_is_tracked():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("no clone: only the files themselves are here")
    assert {ROOT / name for name in listed.stdout.split()} <= set(documents())


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) < MOST_WORDS_OF_README
