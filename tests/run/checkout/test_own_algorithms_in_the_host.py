"""The recipe of patches/README.md that makes NS3L one of the host's own algorithms leaves nothing behind."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "patches" / "README.md").read_text(encoding="utf-8")
IN_HOST = "semilearn.algorithms"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder of a checkout's algorithms after the recipe."""
    folder = tmp_path / "semilearn" / "algorithms"
    folder.mkdir(parents=True)
    recipe = README.split("## Our algorithms as the host's own")[1].split("```bash\n")[1].split("```")[0]
    script = f"set -euo pipefail\nHOST={folder}\n{recipe}"
    subprocess.run(["bash", "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    return folder


def own_imports(path: Path) -> set[str]:
    """What a copied file names of other copied files, e.g. ``negsamp.errors.ConfigError``."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            (f"{IN_HOST}.negsamp", f"{IN_HOST}.ns3l")
        ):
            names |= {f"{node.module}.{alias.name}".removeprefix(f"{IN_HOST}.") for alias in node.names}
    return names


def defined(path: Path) -> set[str]:
    """The names that a module has at its top level."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ImportFrom, ast.Import)):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def is_there(host: Path, name: str) -> bool:
    """Whether ``package.module.name`` is a copied module, or something that a copied module has."""
    parts = name.split(".")
    module = host.joinpath(*parts)
    if module.with_suffix(".py").is_file() or (module / "__init__.py").is_file():
        return True
    owner = host.joinpath(*parts[:-1])
    file = owner.with_suffix(".py") if owner.with_suffix(".py").is_file() else owner / "__init__.py"
    return file.is_file() and parts[-1] in defined(file)


def test_whatever_a_copied_file_imports_is_copied_too(host):
    files = sorted(host.rglob("*.py"))
    missing = {
        f"{file.relative_to(host)}: {name}" for file in files for name in own_imports(file) if not is_there(host, name)
    }
    assert missing == set()


def test_no_copied_file_needs_this_package(host):
    files = sorted(host.rglob("*.py"))
    assert {"ns3l/ns3l.py", "negsamp/functional/ns3l.py"} <= {file.relative_to(host).as_posix() for file in files}
    assert [str(file) for file in files if "usb_negsamp" in file.read_text(encoding="utf-8")] == []


def test_the_modules_that_the_page_names_are_there():
    named = re.findall(r"`((?:repairs/)?\w+\.py)`", README.split("## Offered upstream: inside semilearn")[1])
    assert len(named) > 10
    files = [path.as_posix() for path in (ROOT / "usb_negsamp" / "host").rglob("*.py")]
    for name in named:
        assert any(file.endswith(f"/{name}") for file in files), name
