"""A host that is not the one which our changes were written for goes on, and a line says what was left alone."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TRAINED = """
import contextlib, io, json, logging
import usb_negsamp
names = usb_negsamp.register()
from semilearn.core import AlgorithmBase
from semilearn.core.utils import ALGORITHMS
said = io.StringIO()
log = logging.getLogger("usb_negsamp.testing")
log.setLevel("INFO")
log.addHandler(logging.StreamHandler(said))
if names:
    from usb_negsamp.testing.tiny import train_tiny
    train_tiny("fixmatch", ".")
report = io.StringIO()
with contextlib.redirect_stdout(report):
    from usb_negsamp.run.cli.commands.doctor import doctor
    code = doctor()
print(json.dumps({
    "names": names, "log": said.getvalue().splitlines(), "doctor": report.getvalue().splitlines(), "code": code,
    "step": AlgorithmBase.process_batch.__module__, "fixmatch": "fixmatch" in ALGORITHMS,
}))
"""


def edited_host(folder: Path, changes: list[tuple[str, str, str]]) -> Path:
    """A copy of the host in ``folder`` with regular expressions replaced in files, named by their ends."""
    spec = importlib.util.find_spec("semilearn")
    assert spec is not None
    assert spec.submodule_search_locations
    copy = folder / "semilearn"
    shutil.copytree(spec.submodule_search_locations[0], copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copy.rglob("*.py"):
        text = changed = path.read_text()
        for end, old, new in changes:
            changed = re.sub(old, new, changed) if path.as_posix().endswith(end) else changed
        if changed != text:
            path.write_text(changed)
    return folder


def in_host(folder: Path) -> tuple[dict[str, Any], str]:
    """What the host in ``folder`` does with us, and what it wrote to stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, '.')\n{TRAINED}"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found, done.stderr


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A host that renamed a hook class, edited a method that we replace, and has an algorithm of our name."""
    changes = [
        (".py", r"\bTimerHook\b", "StopwatchHook"),
        ("core/algorithmbase.py", r"(def process_batch\(.*\n)", r"\1        self.edited = True\n"),
        ("fixmatch/fixmatch.py", r"\Z", "\n\n@ALGORITHMS.register('ns3l')\nclass NS3L(FixMatch):\n    pass\n"),
    ]
    return in_host(edited_host(tmp_path_factory.mktemp("host"), changes))[0]


ASIDE = (
    "step_timer: AttributeError: module 'semilearn.core.hooks' has no attribute 'TimerHook'",
    "batch_transfer: semilearn.core.algorithmbase.AlgorithmBase.process_batch is not as it is known",
    "register(): it has ns3l",
)


def test_the_host_trains_and_our_algorithms_are_there(changed: dict[str, Any]) -> None:
    assert {"fixmatch_ns3l", "vat_spl"} <= set(changed["names"])
    assert any("model saved" in line for line in changed["log"])


def test_an_edited_function_stays(changed: dict[str, Any]) -> None:
    # What stands there calls the host's: it is a wrapper of ours, which carries the host's module.
    assert changed["step"] == "semilearn.core.algorithmbase"


@pytest.mark.parametrize("aside", ASIDE)
def test_a_line_of_the_log_and_of_the_doctor_says_what_stepped_aside(changed: dict[str, Any], aside: str) -> None:
    name, _, reason = aside.partition(": ")
    said = f"usb-negsamp: {name} steps aside for the host's own: {reason}"
    assert sum(line.startswith(said) for line in changed["log"]) == 1
    assert sum(line.startswith(f"stepped aside  {aside}") for line in changed["doctor"]) == 1
    assert changed["code"] == 0


def test_nothing_else_stepped_aside(changed: dict[str, Any]) -> None:
    assert sum("steps aside" in line for line in changed["log"]) == len(ASIDE)


def test_a_host_without_what_our_algorithms_stand_on_goes_on_alone(tmp_path: Path) -> None:
    found, stderr = in_host(edited_host(tmp_path, [(".py", r"\bDistAlignQueueHook\b", "AlignHook")]))
    assert found["names"] == []
    assert found["fixmatch"]
    # A second time for the doctor.
    [line] = {line for line in stderr.splitlines() if "usb-negsamp steps aside for this host" in line}
    assert "cannot import name 'DistAlignQueueHook'" in line
    assert found["code"] == 1
