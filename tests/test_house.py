"""The house stands as docs/architecture.md draws it: arrows run one way, no circle, no drawer."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
FOLDERS = {"usb_negsamp": ROOT / "usb_negsamp", "usb_negsamp.algorithms": ROOT / "algorithms"}
LISTS = {"usb_negsamp.host.repairs", "usb_negsamp.host.options"}
"""Folders that list one thing a file, however many there are."""
DATA = ("benchmarks.studies", "config", "patches")
"""Folders of the package without modules."""
MOST_MODULES = 15
ROOMS = ("functional", "data", "nets", "host", "algorithms", "testing", "run")
FOUNDATION = {
    "atomic_write",
    "errors",
    "key",
    "known_classes",
    "media",
    "settings",
    "tensor_file",
    "value_types",
    "yaml_file",
}
"""Modules of the root that every room but ``functional`` stands on."""
SEES = {
    "functional": {"errors"},
    "nets": {"functional"} | FOUNDATION,
    "data": {"functional"} | FOUNDATION,
    "host": {"functional", "data", "nets"} | FOUNDATION,
    "algorithms": {"functional", "data", "nets", "host"} | FOUNDATION,
    "testing": {"functional", "data", "nets", "host", "algorithms", "run"} | FOUNDATION,
    "run": {"functional", "data", "nets", "host", "algorithms"} | FOUNDATION,
}
"""Which rooms, and modules of the root, a room may import."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package is named after its folder."""
    found: dict[str, Path] = {}
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            name = ".".join((package, *parts)).removesuffix(".__init__")
            found[name] = path
    return found


MODULES = modules()


def imported_nodes(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Import statements, within functions too, but not those that are for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (found for part in node.orelse for found in imported_nodes(part))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        else:
            yield from imported_nodes(node)


def imports_of(name: str, path: Path) -> set[str]:
    """Modules of the package that ``name`` names in its imports."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in imported_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            targets: list[tuple[str, str | None]] = [(alias.name, None) for alias in node.names]
        else:
            parent = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            base = f"{parent}.{node.module}".rstrip(".") if node.level else str(node.module)
            targets = [(base, alias.name) for alias in node.names]
        for base, attribute in targets:
            inner = f"{base}.{attribute}"
            target = inner if inner in MODULES else base
            if target in MODULES and target != name:
                found.add(target)
    return found


IMPORTS = {name: imports_of(name, path) for name, path in MODULES.items()}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other (strongly connected components of more than one)."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(node: str, edges: dict[str, set[str]], into: list[str]) -> None:
        stack = [(node, iter(sorted(edges.get(node, ()))))]
        seen.add(node)
        while stack:
            current, rest = stack[-1]
            following = next((other for other in rest if other not in seen), None)
            if following is None:
                into.append(current)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(sorted(edges.get(following, ())))))

    for node in sorted(graph):
        if node not in seen:
            visit(node, graph, order)
    backwards: dict[str, set[str]] = {}
    for node, targets in graph.items():
        for target in targets:
            backwards.setdefault(target, set()).add(node)
    seen.clear()
    groups = []
    for node in reversed(order):
        if node not in seen:
            group: list[str] = []
            visit(node, backwards, group)
            groups.append(sorted(group))
    return [group for group in groups if len(group) > 1]


def test_the_search_for_circles_finds_one_and_only_that():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circles(IMPORTS) == []


def folder_of(name: str) -> str:
    return name if MODULES[name].name == "__init__.py" else name.rpartition(".")[0]


def test_no_folders_import_each_other_in_a_circle():
    """Between folders of which neither holds the other: what leaves ``a/b`` for ``a/c`` counts as ``b`` to ``c``."""
    graph: dict[str, set[str]] = {}
    for name, targets in IMPORTS.items():
        here = folder_of(name)
        for target in targets:
            there = folder_of(target)
            if not (f"{here}.".startswith(f"{there}.") or f"{there}.".startswith(f"{here}.")):
                graph.setdefault(here, set()).add(there)
    assert circles(graph) == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_it_may_see(room):
    wrong = []
    for name, targets in IMPORTS.items():
        if not f"{name}.".startswith(f"usb_negsamp.{room}."):
            continue
        for target in targets:
            seen = target.removeprefix("usb_negsamp").lstrip(".").split(".")[0]
            if seen and seen != room and seen not in SEES[room]:
                wrong.append(f"{name} -> {target}")
    assert wrong == []


def test_functional_imports_torch_and_the_standard_library_alone():
    for name, path in MODULES.items():
        if name.startswith("usb_negsamp.functional"):
            for node in imported_nodes(ast.parse(path.read_text())):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else [str(node.module)]
                for top in {n.split(".")[0] for n in names}:
                    assert top in {"torch", "usb_negsamp"} or top in sys.stdlib_module_names, (name, top)


def test_algorithms_reach_the_host_through_host_alone():
    for name, path in MODULES.items():
        if name.startswith("usb_negsamp.algorithms"):
            assert "semilearn" not in {
                (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else node.names[0].name
                for node in imported_nodes(ast.parse(path.read_text()))
            }, name


def test_nothing_is_built_on_a_repair():
    for name, targets in IMPORTS.items():
        if name.startswith("usb_negsamp.host.repairs"):
            continue
        for target in targets:
            assert not target.startswith("usb_negsamp.host.repairs."), f"{name} -> {target}"


def test_no_folder_is_a_drawer():
    counts: dict[str, int] = {}
    for name, path in MODULES.items():
        if path.name != "__init__.py":
            counts[folder_of(name)] = counts.get(folder_of(name), 0) + 1
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES and folder not in LISTS} == {}


def test_no_two_files_of_tests_have_one_name():
    """Their folders are no packages, so that pytest would import the first in the place of the second."""
    counts = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert {name for name, count in counts.items() if count > 1} == set()


def test_every_folder_with_modules_is_packaged():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    ours = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert ours == set(settings["packages"]) - {f"usb_negsamp.{data}" for data in DATA}
