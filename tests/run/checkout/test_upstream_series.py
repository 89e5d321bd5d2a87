"""The series of patches for the host: ``git am`` takes it, and the host trains with it where this package is absent."""

from __future__ import annotations

import os
import re
import sys
import venv
from pathlib import Path

import pytest
from host_series import FOLDER, PATCHES, needs_checkout, run, succeeded

from usb_negsamp.host.repairs import ORDER

ROOT = Path(__file__).parents[3]
OURS = ("usb_negsamp", "usb-negsamp", "semilearn")


def message(patch: Path) -> str:
    return patch.read_text(encoding="utf-8").split("\n---\n")[0]


def added(patch: Path) -> list[str]:
    """The lines that a patch adds."""
    lines = patch.read_text(encoding="utf-8").splitlines()
    return [line[1:] for line in lines if line.startswith("+") and not line.startswith("+++")]


def added_tests(patch: Path) -> list[str]:
    """The names of the test files that a patch adds."""
    files: list[str] = re.findall(r"^\+\+\+ b/tests/(test_\w+\.py)$", patch.read_text(encoding="utf-8"), re.MULTILINE)
    return files


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.name[:4])
def test_a_patch_says_what_is_wrong_and_brings_its_test(patch):
    for part in ("What is wrong", "How to see it", "The change", "Test: python -m unittest", "Breaking changes"):
        assert f"\n{part}" in message(patch)
    [test] = added_tests(patch)
    assert f"discover tests -p {test}" in message(patch)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.name[:4])
def test_a_patch_has_no_mark_of_this_package(patch):
    assert [line for line in added(patch) if re.search(r"negsamp|>>> usb|V\d+\)|\(B\d+\)", line)] == []


def test_the_page_names_each_patch():
    rows = re.findall(r"^\| (\d{4}) \|", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [path.name[:4] for path in PATCHES]


def test_the_modules_that_the_page_of_patches_names_are_there():
    page = (ROOT / "patches" / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:repairs/)?\w+\.py)`", page.split("## Offered upstream: inside semilearn")[1])
    assert len(named) > 10
    files = [path.as_posix() for path in (ROOT / "usb_negsamp" / "host").rglob("*.py")]
    for name in named:
        assert any(file.endswith(f"/{name}") for file in files), name


def test_the_page_says_of_each_repair_whether_the_series_has_it():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    section = page.split("## What this package repairs")[1].split("\n## ")[0]
    assert set(ORDER) <= set(re.findall(r"`(\w+)`", section))
    assert {int(number) for number in re.findall(r"\b0\d{3}\b", section)} <= set(range(1, len(PATCHES) + 1))


# --- on a real checkout


@pytest.fixture(scope="module")
def python(host: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with all that is installed here but this package and the installed host; it imports the clone."""
    folder = tmp_path_factory.mktemp("python") / "environment"
    venv.create(folder, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for place in map(Path, sys.path):
        for entry in place.iterdir() if place.name == "site-packages" else ():
            ours = entry.name.removeprefix("__editable__").lstrip("._").startswith(OURS)
            if not (ours or entry.suffix == ".pth" or (packages / entry.name).exists()):
                (packages / entry.name).symlink_to(entry)
    (packages / "clone.pth").write_text(f"{host}\n")
    look = "import importlib.util as u, semilearn; print(u.find_spec('usb_negsamp'), semilearn.__file__)"
    assert succeeded(run(folder / "bin/python", "-c", look, cwd=folder)) == f"None {host}/semilearn/__init__.py\n"
    plugins = "from importlib.metadata import entry_points; print(len(entry_points(group='semilearn.plugins')))"
    assert succeeded(run(folder / "bin/python", "-c", plugins, cwd=folder)) == "0\n"
    return folder / "bin/python"


@needs_checkout
def test_the_patches_are_what_git_makes_of_them(host):
    script = ROOT / ".ci" / "upstream_series.py"
    succeeded(run(sys.executable, script, os.environ["USB_CHECKOUT"], "--check", cwd=ROOT))


@needs_checkout
def test_a_patch_applies_with_those_alone_that_the_page_says_it_needs(host, tmp_path):
    rows = re.findall(r"^\| (\d{4}) \|[^|]*\|([^|]*)\|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    needs = {number: re.findall(r"\d{4}", text) for number, text in rows}
    patches = {path.name[:4]: path for path in PATCHES}
    folder = tmp_path / "clone"
    succeeded(run("git", "clone", "--quiet", "--shared", "--no-checkout", host, folder, cwd=host))
    for number, patch in patches.items():
        succeeded(run("git", "checkout", "--quiet", "--force", (FOLDER / "base").read_text().strip(), cwd=folder))
        succeeded(run("git", "clean", "--quiet", "--force", "-d", cwd=folder))
        wanted = {number}
        while more := {need for one in wanted for need in needs[one]} - wanted:
            wanted |= more
        for need in sorted(wanted - {number}):
            succeeded(run("git", "apply", patches[need], cwd=folder))
        assert run("git", "apply", "--check", patch, cwd=folder).returncode == 0, (number, wanted)


@needs_checkout
def test_fixmatch_trains_on_the_cpu_without_this_package(host, python, tmp_path):
    make = "import sys, tiny; print(tiny.write_config(sys.argv[1], num_train_iter=3, num_eval_iter=3))"
    config = succeeded(run(python, "-c", make, tmp_path, cwd=host / "tests")).strip()
    done = run(python, "train.py", "--c", config, "--p_cutoff", "0.1", cwd=host)
    succeeded(done)
    assert "3 iteration" in done.stderr
    assert "p_cutoff=0.1" in done.stderr
    assert (tmp_path / "saved/run/latest_model.pth").is_file()


@needs_checkout
@pytest.mark.parametrize("name", [name for patch in PATCHES for name in added_tests(patch)])
def test_the_test_of_a_patch_passes_without_this_package(host, python, name):
    done = run(python, "-m", "unittest", "discover", "tests", "-p", name, cwd=host)
    assert "\nOK" in done.stderr, done.stdout + done.stderr
    succeeded(done)
