"""Run the tests named for each mutant on it: ``python tests/mutants/try_mutants.py [--only TEXT ...] [--file PAGE]``.

Each change is made in a copy of the clone, never in the clone itself, and taken back before the next one. A mutant
whose tests fail is killed; one whose tests pass survives, which is an error unless the list says why nothing can notice
it. Needs no network, and about 25 minutes on one core.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("usb_negsamp", "algorithms", "config", "patches", "tests", "examples", "docs")
INSTALLED_INSIDE = ("algorithms", "config", "patches")
"""Folders of the root that are installed inside the package."""
SECONDS = 900
_PASSED, _FAILED = 0, 1


class Outcome(NamedTuple):
    """What became of a mutant, and the test that failed first."""

    mutant: Mutant
    killed: bool
    by: str


def main(words: Sequence[str] | None = None) -> int:
    """Print what became of each mutant; the exit code is 1 where one survives that the list does not explain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", metavar="TEXT", nargs="+", default=[""], help="mutants whose file or reason holds TEXT"
    )
    parser.add_argument("--file", type=Path, help="write the outcomes there, as a table")
    options = parser.parse_args(words)
    chosen = [mutant for mutant in MUTANTS if any(text in f"{mutant.file} {mutant.why}" for text in options.only)]
    with tempfile.TemporaryDirectory() as folder:
        copy = copied_clone(Path(folder))
        began = time.monotonic()
        check_unchanged(copy, chosen)
        outcomes = []
        for number, mutant in enumerate(chosen, 1):
            outcomes.append(tried(copy, mutant))
            word = "killed" if outcomes[-1].killed else "SURVIVED"
            print(f"{number}/{len(chosen)} {word}: {mutant.file}: {mutant.why} {outcomes[-1].by}", flush=True)
    minutes = (time.monotonic() - began) / 60
    killed = sum(outcome.killed for outcome in outcomes)
    print(f"{killed} of {len(outcomes)} killed, {minutes:.0f} minutes")
    if options.file is not None:
        options.file.write_text(table(outcomes, minutes), encoding="utf-8")
    return 1 if any(not outcome.killed and not outcome.mutant.survives for outcome in outcomes) else 0


def copied_clone(folder: Path) -> Path:
    """A copy of the clone in which everything is imported from the copy, where it is installed."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, folder / name)
    for name in INSTALLED_INSIDE:
        (folder / "usb_negsamp" / name).symlink_to(folder / name)
    imported = (
        "import usb_negsamp.algorithms.spl as a, usb_negsamp.functional as f; print(a.__file__); print(f.__file__)"
    )
    places = subprocess.run([sys.executable, "-c", imported], cwd=folder, capture_output=True, text=True, check=True)
    if any(not Path(place).is_relative_to(folder) for place in places.stdout.split()):
        raise RuntimeError(f"expected modules of the copy in {folder}, but got {places.stdout.split()}")
    return folder


def check_unchanged(copy: Path, mutants: Sequence[Mutant]) -> None:
    """Make sure that the tests pass as long as nothing is changed."""
    code, said = run_tests(copy, sorted({test for mutant in mutants for test in mutant.tests}), len(mutants) * SECONDS)
    if code != _PASSED:
        raise RuntimeError(f"expected tests that pass before anything is changed, but they fail:\n{said}")


def tried(copy: Path, mutant: Mutant) -> Outcome:
    """Change the copy, run the mutant's tests, and change it back."""
    path = copy / mutant.file
    before = path.read_text(encoding="utf-8")
    path.write_text(before.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        code, said = run_tests(copy, mutant.tests, SECONDS)
    except subprocess.TimeoutExpired:
        return Outcome(mutant, True, "(no end)")
    finally:
        path.write_text(before, encoding="utf-8")
    if code not in (_PASSED, _FAILED):
        raise RuntimeError(f"{mutant.file}: expected tests that pass or fail, but pytest ended with {code}:\n{said}")
    failed = [line.split(" - ")[0].removeprefix("FAILED ") for line in said.splitlines() if line.startswith("FAILED ")]
    return Outcome(mutant, code == _FAILED, f"({failed[0]})" if failed else "")


def run_tests(copy: Path, tests: Sequence[str], seconds: float) -> tuple[int, str]:
    """pytest's exit code, and what it says, for tests in the copy."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=copy, env=environment, timeout=seconds, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def table(outcomes: Sequence[Outcome], minutes: float) -> str:
    """The outcomes as a page."""
    import torch

    killed = sum(outcome.killed for outcome in outcomes)
    lines = [
        "# Mutants",
        "",
        f"Of {len(outcomes)} changes of the method code, {killed} are noticed by the tests that are named for them in",
        "[mutants.py](../tests/mutants/mutants.py).",
        "",
        "Written by `python tests/mutants/try_mutants.py --file benchmarks/mutants.md`",
        f"on {date.today()}, in {minutes:.0f} minutes on one core of a shared {platform.machine()} machine,",
        f"with Python {platform.python_version()} and PyTorch {torch.__version__}.",
        "",
        "| file | what is wrong | noticed by |",
        "|-|-|-|",
    ]
    for mutant, is_killed, by in outcomes:
        noticed = by.strip("()").rpartition("::")[2] if is_killed else f"nothing: {mutant.survives or 'not explained'}"
        lines.append(f"| `{mutant.file}` | {mutant.why} | {noticed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
