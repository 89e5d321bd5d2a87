"""What says the same thing in several places says the same: versions, Pythons, dependencies, steps of CI, archives."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCRIPTS = sorted(path for path in (ROOT / ".ci").iterdir() if not path.suffix and path.is_file())
ENTRIES_OF_CITATION = {"cff-version", "message", "title", "authors"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def workflow(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def steps_of(path: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(path)["jobs"].values() for step in job["steps"]]


def version() -> str:
    """The version as a build reads it: a literal in the package's source, which is not imported."""
    for node in ast.parse(read("usb_negsamp/__init__.py")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return str(ast.literal_eval(node.value))
    raise AssertionError("usb_negsamp/__init__.py assigns no __version__")


def pythons() -> list[str]:
    """The Python versions of the classifiers."""
    return re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))


def lower_bounds() -> dict[str, str]:
    """The lowest version of every dependency that has one, by its name in lower case."""
    extras = PROJECT["optional-dependencies"]
    found = (re.match(r"([\w.-]+)>=([\d.]+)$", one) for one in (*PROJECT["dependencies"], *extras["test"]))
    return {match[1].lower(): match[2] for match in found if match}


def pins(name: str) -> dict[str, str]:
    """What a file of constraints pins; of several lines for one package the last."""
    lines = re.findall(r"^([\w.-]+)==([\w.]+)", read(name), flags=re.MULTILINE)
    return {package.lower(): pinned for package, pinned in lines}


def test_the_version_is_said_in_one_place():
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "usb_negsamp.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", version())


def test_what_is_cited_is_this_version():
    citation = yaml.safe_load(read("CITATION.cff"))
    assert citation["version"] == version()
    assert set(citation) >= ENTRIES_OF_CITATION
    assert citation["license"] == PROJECT["license"]
    assert [reference["notes"] for reference in citation["references"]] == ["NS3L", "DNLL", "SPL"]
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)
        assert all(set(author) == {"given-names", "family-names"} for author in reference["authors"])


def test_the_changelog_knows_this_version_and_links_every_heading():
    changelog = read("CHANGELOG.md")
    headings = re.findall(r"^## \[(.+?)\]", changelog, flags=re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert headings[1] == version()
    assert all(re.search(rf"^\[{re.escape(name)}\]: https://", changelog, flags=re.MULTILINE) for name in headings)
    kinds = set(re.findall(r"^### (.+)$", changelog, flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_addresses_of_the_project_are_those_of_one_repository():
    home = PROJECT["urls"]["Homepage"]
    assert yaml.safe_load(read("CITATION.cff"))["repository-code"] == home
    assert all(address.startswith(home) for address in PROJECT["urls"].values())
    assert set(re.findall(r"^\[.+\]: (https://github.com/[\w-]+/[\w-]+)", read("CHANGELOG.md"), re.MULTILINE)) == {home}


def test_ci_runs_on_every_python_that_is_promised():
    matrix = workflow(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["run"]["strategy"]["matrix"]
    assert matrix["python"] == pythons()
    assert PROJECT["requires-python"] == f">={pythons()[0]}"


def test_the_lowest_versions_are_tested_on_the_lowest_python():
    steps = workflow(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["lowest"]["steps"]
    assert [step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", "")] == [
        pythons()[0]
    ]
    pinned = pins("constraints-lowest.txt")
    bounds = lower_bounds()
    assert pinned.keys() == bounds.keys()
    wrong = {name: (bound, pinned[name]) for name, bound in bounds.items() if not f"{pinned[name]}.".startswith(bound)}
    assert wrong == {}


def test_every_dependency_is_pinned_and_no_pin_is_below_its_bound():
    pinned = pins("constraints.txt")
    for name, bound in lower_bounds().items():
        numbers = [[int(part) for part in text.split(".")] for text in (pinned[name], bound)]
        assert numbers[0] >= numbers[1], name


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_of_a_workflow_names_an_action_or_a_script_that_is_there(path):
    # YAML reads the key "on" as true.
    assert set(workflow(path)) - {True} == {"name", "permissions", "jobs"} | (set(workflow(path)) & {"concurrency"})
    scripts = [step["run"].split()[0] for step in steps_of(path) if "run" in step]
    assert scripts
    assert [script for script in scripts if ROOT / script not in SCRIPTS] == []
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) for step in steps_of(path) if "run" not in step)


def test_every_script_of_ci_can_be_run_and_is_bash():
    assert {path.name for path in SCRIPTS} >= {"run", "release", "types", "lowest", "newest"}
    for path in SCRIPTS:
        assert os.access(path, os.X_OK), path
        assert path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n"), path
        subprocess.run(["bash", "-n", path], check=True)


def test_scripts_name_files_that_are_there():
    for path in SCRIPTS:
        text = path.read_text(encoding="utf-8")
        named = re.findall(r"(?<![\w/$}\"-])((?:\.ci|tests|config)/[\w/-]+(?:\.\w+)?|constraints[\w-]*\.txt)", text)
        assert [name for name in named if not (ROOT / name).exists()] == [], path


def test_hooks_before_a_commit_are_the_lint_and_types_of_ci():
    [repository] = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    entries = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    assert set(entries) == {"ruff", "ruff-format", "mypy"}
    assert ROOT / entries["mypy"] in SCRIPTS


def test_types_are_checked_strictly_and_no_module_is_left_out():
    settings = tomllib.loads(read("pyproject.toml"))["tool"]["mypy"]
    assert settings["strict"] is True
    loosened = {key for one in settings["overrides"] for key in one if key != "module"}
    assert "ignore_errors" not in loosened
    assert "check_untyped_defs" not in loosened
    assert {name.split(".")[0] for name in os.listdir(ROOT / "stubs")} == {"README", "semilearn"}


def test_folders_of_tests_that_train_are_there():
    found = next(node for node in ast.parse(read("tests/conftest.py")).body if ast.unparse(node).startswith("RUNS = "))
    assert isinstance(found, ast.Assign)
    folders = ast.literal_eval(found.value)
    assert [folder for folder in folders if not list((ROOT / "tests" / folder).glob("test_*.py"))] == []


@pytest.fixture(scope="module")
def archives() -> ModuleType:
    """``.ci/check_archives.py``, which no package holds."""
    spec = importlib.util.spec_from_file_location("check_archives", ROOT / ".ci" / "check_archives.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def clone(archives) -> list[str]:
    """Files of a clone whose archives would be complete."""
    mapped = [name.removeprefix("usb_negsamp/") for name in archives.AT_LEAST]
    here = [f"usb_negsamp/{name}" if name == "py.typed" else name for name in mapped]
    return [*here, "tests/test_a.py", "README.md"]


def test_complete_archives_are_accepted(archives, clone):
    wheel = [*archives.AT_LEAST, "usb_negsamp-1.dist-info/METADATA"]
    assert archives.missing_from([*clone, "PKG-INFO"], wheel, clone) == []


@pytest.mark.parametrize("lost", ["tests/test_a.py", "config/vat_ns3l_digits.yaml", "usb_negsamp/py.typed"])
def test_a_file_that_the_sdist_lacks_is_named(archives, clone, lost):
    sdist = [name for name in clone if name != lost]
    assert archives.missing_from(sdist, archives.AT_LEAST, clone) == [f"the sdist lacks {lost}"]


def test_a_file_that_the_wheel_lacks_or_has_too_much_is_named(archives, clone):
    names = [*clone, "usb_negsamp/nets/new.py", "algorithms/new/new.py"]
    wheel = [*archives.AT_LEAST, "tests/test_a.py"]
    assert archives.missing_from(names, wheel, names) == [
        "the wheel lacks usb_negsamp/algorithms/new/new.py",
        "the wheel lacks usb_negsamp/nets/new.py",
        "the wheel installs tests/test_a.py",
    ]


def test_what_a_wheel_must_have_is_there_whatever_the_clone_says(archives):
    assert len(archives.missing_from([], [], [])) == len(archives.AT_LEAST)


STAND_INS = {
    "python": 'echo "python $*"',
    "ruff": 'echo "ruff $*"',
    "chromedriver": "exit 0",
    "slurmctld": "exit 0",
    "mkdocs": 'echo "mkdocs $*"',
    "pytest": 'echo "pytest $*"; printf "  unit: 61\\n  runs: 3600\\n" >> "${LANE_TIMES:-/dev/null}"',
}


@pytest.fixture
def stand_in_clone(tmp_path, monkeypatch):
    """A clone in which the lanes of .ci/run do nothing but to say that they were asked to."""
    monkeypatch.delenv("LANE_TIMES", raising=False)  # of the run that this test is part of
    scripts = tmp_path / ".ci"
    scripts.mkdir()
    (scripts / "run").write_text(read(".ci/run"))
    (scripts / "check.py").write_text("")
    lines = ["#!/usr/bin/env bash", 'echo "release"', 'mkdir -p "$1/bin"']
    for name, line in STAND_INS.items():
        lines.append(f'cat > "$1/bin/{name}" <<\'END\'\n#!/usr/bin/env bash\n{line}\nEND\nchmod +x "$1/bin/{name}"')
    (scripts / "release").write_text("\n".join(lines))
    (scripts / "types").write_text('#!/usr/bin/env bash\necho "types"\n')
    for script in ("run", "release", "types"):
        (scripts / script).chmod(0o755)
    return scripts


def test_a_run_of_ci_goes_through_all_lanes_and_says_what_each_took(stand_in_clone):
    done = subprocess.run([stand_in_clone / "run"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    asked = [
        line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in {*STAND_INS, "release", "types"}
    ]
    assert asked[:6] == ["release", "python", "ruff", "ruff", "types", "pytest"]
    assert "pytest -n 2" in lines
    assert "pytest -rs -m pretend_cuda and gpu" in lines
    assert "pytest -rs -m browser" in lines
    assert "pytest -rs -m slurm" in lines
    assert any(line.startswith("mkdocs build --strict ") for line in lines)
    table = dict(re.findall(r"^ *(\S.*?) +(\d+:\d\d)$", done.stdout, flags=re.MULTILINE))
    tests = ["unit", "runs", "unit tests and runs", "pretended GPU", "browser", "SLURM"]
    assert list(table) == ["release", "install", "lint and types", *tests, "site", "total"]
    assert table["unit"] == "1:01"
    assert table["runs"] == "60:00"


def test_a_run_of_ci_ends_where_a_lane_fails(stand_in_clone):
    (stand_in_clone / "types").write_text("#!/usr/bin/env bash\nexit 3\n")
    done = subprocess.run([stand_in_clone / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "pytest" not in done.stdout
