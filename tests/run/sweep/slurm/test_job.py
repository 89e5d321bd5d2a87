"""A run as a job: cut at its time limit, and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sweep_request import sweep_request

from usb_negsamp.run.sweep import workers
from usb_negsamp.run.sweep.grid import make_plan
from usb_negsamp.run.sweep.plan import Run
from usb_negsamp.run.sweep.slurm import job as job_module
from usb_negsamp.run.sweep.slurm.job import TrainJob

SAVES_AT_SIGTERM = """
import signal, sys, time
came = []
signal.signal(signal.SIGTERM, lambda *_: came.append(1))
while not came:
    time.sleep(0.01)
print("saved", flush=True)
sys.exit(143)
"""


@pytest.fixture
def run(write_config: Callable[..., str]) -> Run:
    return make_plan(sweep_request(["--c", write_config(), "--grid", "ns3l_weight=1"])).runs[0]


def test_at_the_time_limit_a_job_saves_and_comes_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    submitit = pytest.importorskip("submitit")
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda words, **options: popen([sys.executable, "-c", SAVES_AT_SIGTERM], **options)
    )
    job = TrainJob(run)
    following: list[Any] = []

    def time_limit(signum: int, frame: Any) -> None:
        following.append(job.checkpoint())

    before = signal.signal(signal.SIGALRM, time_limit)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.0)
        assert job() == 143
    finally:
        signal.signal(signal.SIGALRM, before)
    assert workers.last_words(run.directory) == "saved"
    assert isinstance(following[0], submitit.helpers.DelayedSubmission)
    assert following[0].function.run == run


@pytest.mark.parametrize(
    ("restarts", "words"), [(None, ("--overwrite",)), ("0", ("--overwrite",)), ("1", ("--resume",))]
)
def test_a_job_that_is_started_again_does_not_begin_anew(
    restarts: str | None, words: Sequence[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    if restarts is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    else:
        monkeypatch.delenv("SLURM_RESTART_COUNT", raising=False)
    monkeypatch.setattr(job_module, "resume_arguments", lambda of, anew: ("--overwrite",) if anew else ("--resume",))
    asked: list[Sequence[str]] = []

    def started(of: Run, extra: Sequence[str], environment: Any, new_session: bool) -> subprocess.Popen[bytes]:
        asked.append(extra)
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(job_module, "start_training", started)
    assert TrainJob(run, anew=True)() == 0
    assert asked == [words]
