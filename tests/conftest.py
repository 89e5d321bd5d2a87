"""One thread a test process, which tests need a GPU, and how long each lane of the suite takes.

The suite runs two processes side by side, and bit-for-bit tests need a fixed order. A test is of the lane ``runs``
where its folder trains, and of the lane ``unit`` elsewhere: ``pytest -n 2 -m "not runs"``, ``pytest -n 2 -m runs``.

Tests in ``browser`` open a page in headless Chromium: ``pytest -m browser``. Tests marked ``slurm`` start a SLURM of
one node: ``pytest -m slurm``.

Tests marked ``gpu`` need a GPU, and are skipped without one. ``pytest -m pretend_cuda`` runs them, and many runs more,
on one that is pretended (``pretended_gpu.py``).
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
# Before anything imports the library that asks it: a test that wants a file of the hub has to fail, not to wait.
os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402 (reads the variables when it is imported)

torch.set_num_threads(1)

import hypothesis  # noqa: E402
import pretended_gpu  # noqa: E402
import pytest  # noqa: E402

# A busy machine must not fail a test.
hypothesis.settings.register_profile("without deadlines", deadline=None)
hypothesis.settings.load_profile("without deadlines")

# They hold no doctests, and as modules to collect their common name would be taken.
collect_ignore_glob = ["conftest.py", "*/conftest.py"]

HERE = Path(__file__).parent
RUNS = (
    "algorithms",
    "fuzz",
    "host/checkpoints",
    "run/checkout",
    "run/finished_runs",
    "run/from_python",
    "run/sweep",
    "run/training",
    "testing",
)
"""Folders of tests that train."""
BROWSER = "browser"
"""Folder and marker of the tests that need a browser; they are left out unless asked for."""
SLURM = "slurm"
"""Marker of the tests that start a SLURM; they are left out unless asked for."""
NO_GPU = "needs a GPU, or the program that pretends one (the environment variable PRETEND_CUDA) and -m pretend_cuda"


@pytest.fixture(autouse=True)
def seeded_generators():
    """The same random numbers for a test whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def few_steps_for_batch_statistics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests ask which statistics SPL's rounds have, and when, not how closely."""
    from usb_negsamp.host.wrapping import running_statistics

    monkeypatch.setattr(running_statistics, "NUM_STEPS", 6)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Start again on a pretended GPU, once, where its lane is asked for and it can be had."""
    wanted = pretended_gpu.is_wanted(config.option.markexpr)
    if wanted and not pretended_gpu.is_pretended() and pretended_gpu.tool() is not None:
        # What was captured so far would be lost, and what follows would go into the capture.
        config.pluginmanager.getplugin("capturemanager").stop_global_capturing()
        pretended_gpu.start_again(config.invocation_params.args)


def pytest_configure(config: pytest.Config) -> None:
    """Let each run of the lane of the pretended GPU have a line, under ``-q``, too: all take more than half an hour."""
    if pretended_gpu.is_wanted(config.option.markexpr):
        config.option.verbose = max(config.option.verbose, 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that train, and those of the lanes that are left out unless asked for."""
    long_lane = []
    in_browser = []
    on_slurm = []
    for item in items:
        if item.path.is_relative_to(HERE / BROWSER):
            item.add_marker(BROWSER)
            in_browser.append(item)
        if item.get_closest_marker(SLURM) is not None:
            on_slurm.append(item)
        if any(item.path.is_relative_to(HERE / folder) for folder in RUNS):
            item.add_marker("runs")
        needs_gpu = item.get_closest_marker("gpu") is not None
        if needs_gpu or item.path.is_relative_to(HERE / pretended_gpu.LANE):
            item.add_marker(pretended_gpu.LANE)
            if not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason=NO_GPU))
            if not needs_gpu:
                long_lane.append(item)
    left_out = [] if pretended_gpu.is_wanted(config.option.markexpr) else long_lane
    left_out += [] if BROWSER in config.option.markexpr else in_browser
    left_out += [] if SLURM in config.option.markexpr else on_slurm
    if left_out:
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many seconds the tests of each lane took, added up over all processes.

    With ``LANE_TIMES`` in the environment, each lane's share of the time that passed is added to that file, in seconds.
    """
    if hasattr(terminalreporter.config, "workerinput"):
        return
    tests: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    for report in (report for reports in terminalreporter.stats.values() for report in reports):
        if isinstance(report, pytest.TestReport):
            lane = "runs" if "runs" in report.keywords else "unit"
            lane = pretended_gpu.LANE if pretended_gpu.is_pretended() else lane
            seconds[lane] += report.duration
            tests[lane] += report.when == "call"
    for lane, number in tests.items():
        terminalreporter.write_line(f"{lane}: {number} tests in {seconds[lane]:.0f} s")
    file = os.environ.get("LANE_TIMES")
    if file:
        processes = terminalreporter.config.getoption("numprocesses", None) or 1
        with open(file, "a", encoding="utf-8") as lines:
            lines.writelines(f"  {lane}: {seconds[lane] / processes:.0f}\n" for lane in tests)
