"""The documentation as a site: every page is in it, links leave it rightly, and it loads nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
REPOSITORY = "https://example.org/project"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    """The hooks of the build."""
    return loaded("site_pages")


@pytest.fixture
def docstrings(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The extension for docstrings, on a stand-in for griffe, which the tests do not install."""
    monkeypatch.setitem(sys.modules, "griffe", SimpleNamespace(Extension=object))
    return loaded("site_docstrings")


def named(navigation: Any) -> Iterator[str]:
    if isinstance(navigation, str):
        yield navigation
    else:
        for entry in navigation.values() if isinstance(navigation, dict) else navigation:
            yield from named(entry)


def test_every_page_is_in_the_navigation_once():
    assert sorted(named(SETTINGS["nav"])) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_a_warning_ends_the_build_and_links_and_anchors_are_looked_at():
    assert SETTINGS["strict"] is True
    assert {*SETTINGS["validation"]["links"].values(), *SETTINGS["validation"]["nav"].values()} == {"warn"}
    assert {"anchors", "not_found"} <= set(SETTINGS["validation"]["links"])
    assert "mkdocs build --strict" in (ROOT / ".ci" / "run").read_text()


def test_nothing_is_asked_of_other_hosts():
    assert SETTINGS["theme"]["font"] is False
    # The theme asks the host of a repository that it knows for its number of stars.
    assert {"repo_url", "extra_javascript", "extra_css"}.isdisjoint(SETTINGS)


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("../config/README.md", f"{REPOSITORY}/blob/main/config/README.md"),
        ("../config/README.md#spl", f"{REPOSITORY}/blob/main/config/README.md#spl"),
        ("../algorithms", f"{REPOSITORY}/tree/main/algorithms"),
        ("../README.md", f"{REPOSITORY}/blob/main/README.md"),
        ("usage.md#training", "usage.md#training"),
        ("../docs/usage.md", "../docs/usage.md"),
        ("#below", "#below"),
        ("https://example.com/../config", "https://example.com/../config"),
    ],
)
def test_links_out_of_the_pages_lead_to_the_repository(pages, link, expected):
    text = f"# a\n[b]({link}) and ![c]({link}), [`d`]({link})\n"
    changed = pages.with_repository_links(text, "page.md", REPOSITORY)
    assert changed == f"# a\n[b]({expected}) and ![c]({expected}), [`d`]({expected})\n"


def test_code_is_left_as_it_is(pages):
    text = "`[a](../README.md)`\n\n```python\n[a](../README.md)\n```\n\n~~~\n[a](../README.md)\n~~~\n"
    assert pages.with_repository_links(text, "page.md", REPOSITORY) == text


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://a.org/b.js"></script>', ["https://a.org/b.js"]),
        ('<link rel="stylesheet" href="//a.org/b.css">', ["//a.org/b.css"]),
        ('<link rel="preconnect" href="https://fonts.org">', ["https://fonts.org"]),
        ('<img alt="" src="http://a.org/b.png">', ["http://a.org/b.png"]),
        ('<pre class="mermaid"><code>flowchart TD</code></pre>', ["mermaid"]),
        ('<a href="https://a.org">a</a><link rel="canonical" href="https://a.org"><script src="b.js"></script>', []),
        ('<img src="data:image/png;base64,"><link rel="icon" href="assets/b.png"><p>https://a.org</p>', []),
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_found(pages, html, found):
    assert pages.loaded_from_elsewhere(html) == found


def test_such_a_page_is_a_warning_of_the_build(pages, caplog):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="a.md"))
    html = '<script src="https://a.org/b.js"></script>'
    assert pages.on_post_page(html, page=page, config={}) == html
    [record] = caplog.records
    assert (record.levelname, record.getMessage()) == ("WARNING", "a.md would load https://a.org/b.js")
    assert record.name.startswith("mkdocs.")


def test_anchors_of_the_site_are_those_of_the_repository(pages):
    config = pages.on_config({"mdx_configs": {"toc": {"permalink": True}}})
    slugify = config["mdx_configs"]["toc"]["slugify"]
    headings = {"A logit": "a-logit", "SPL: safe, `it(s)` own": "spl-safe-its-own", "NS3L's gate": "ns3ls-gate"}
    assert {heading: slugify(heading, "-") for heading in headings} == headings


def test_docstrings_become_markdown(docstrings):
    text = "Return :func:`~a.b` of :class:`C`.\n\n>>> f(\n...     1)\n2\n\nAnd:\n\n>>> g()"
    assert docstrings.as_markdown(text).split("\n") == [
        *("Return `a.b` of `C`.", "", "", "```pycon", ">>> f(", "...     1)", "2", "```", "", "And:"),
        *("", "", "```pycon", ">>> g()", "```"),
    ]
    thing = SimpleNamespace(docstring=SimpleNamespace(value="A :mod:`m`."))
    docstrings.SiteDocstrings().on_instance(obj=thing, node=None)
    docstrings.SiteDocstrings().on_instance(obj=SimpleNamespace(docstring=None))
    assert thing.docstring.value == "A `m`."
