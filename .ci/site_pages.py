"""Hooks of the site's build: what the pages of ``docs/`` need to be read outside the repository.

A page is written for the repository, where a link may lead to any file. On the site those that leave ``docs/`` lead to
the repository's address. A page that would load anything from another host is a warning, which ends a strict build.
"""

from __future__ import annotations

import logging
import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(\]\()([^()\s]+)(?=[)\s])")
CODE = re.compile(r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)|`[^`\n]*`", flags=re.MULTILINE | re.DOTALL)
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
"""Tags by which a browser loads something while it opens a page, and the attribute that says what."""
NOT_LOADED = frozenset({"canonical", "next", "prev", "alternate"})
"""Relations of a ``link`` that a browser does not follow by itself."""
MARK = "\0"

log = logging.getLogger("mkdocs.hooks.site_pages")


def on_config(config: Any) -> Any:
    """Give headings the anchors that the repository's page gives them."""
    config["mdx_configs"].setdefault("toc", {})["slugify"] = anchor
    return config


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Let what leaves ``docs/`` lead to the repository."""
    return with_repository_links(markdown, page.file.src_uri, config["extra"]["repository"])


def on_post_page(output: str, *, page: Any, config: Any) -> str:
    """Warn of what a page would load from elsewhere."""
    for address in loaded_from_elsewhere(output):
        log.warning("%s would load %s", page.file.src_uri, address)
    return output


def anchor(heading: str, separator: str) -> str:
    """Return a heading's anchor: lower case, no punctuation, a dash for each space."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", separator)


def with_repository_links(markdown: str, page: str, repository: str, root: Path = ROOT) -> str:
    """Return a page's text in which links to files outside ``docs/`` are addresses of the repository.

    Args:
        markdown: the text; code in it is left as it is.
        page: its path in ``docs/``, with slashes.
        repository: the address of the repository.
        root: the clone, which says what is a folder.
    """
    codes = [match[0] for match in CODE.finditer(markdown)]
    folder = posixpath.dirname(f"docs/{page}")

    def led(match: re.Match[str]) -> str:
        name, _, heading = match[2].partition("#")
        place = posixpath.normpath(posixpath.join(folder, name))
        if not name or re.match(r"[a-z][a-z+.-]*:", name) or place.startswith(("docs/", "../")):
            return match[0]
        kind = "tree" if (root / place).is_dir() else "blob"
        return f"{match[1]}{repository}/{kind}/main/{place}" + (f"#{heading}" if heading else "")

    changed = LINK.sub(led, CODE.sub(MARK, markdown))
    rest = iter(codes)
    return re.sub(MARK, lambda _: next(rest), changed)


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return the addresses of other hosts from which a browser would load a part of the page.

    Diagrams of the class ``mermaid`` are named as well: the theme loads what draws them from another host.
    """
    reader = _Reader()
    reader.feed(html)
    return reader.found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        address = values.get(LOADS.get(tag, "")) or ""
        if re.match(r"(https?:)?//", address) and values.get("rel") not in NOT_LOADED:
            self.found.append(address)
        if "mermaid" in (values.get("class") or "").split():
            self.found.append("mermaid")
